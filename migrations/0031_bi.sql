-- For analysts with SQL: what the views of the schema bi read beside the tables of the service (see storage/bi.rs).

-- What rule sets say that SQL cannot read in their texts.
create table bi_rule_set (
    -- rule_set_version.version_no
    version_no smallint primary key,
    rule_set_id text collate "C" not null,
    subject_kind smallint not null
);

create table bi_penalty (
    version_no smallint not null,
    -- Its row in the file, from 0.
    row_no smallint not null,
    code text not null,
    title_en text not null,
    title_zh text not null,
    -- It applies to scores below this.
    below numeric not null,
    -- The dimension whose score is meant; null: the whole score.
    dimension text,
    constraint bi_penalty_pkey primary key (version_no, row_no)
);

-- The metrics of published cards, unpacked: of the runs in bi_unpacked alone.
create table bi_metric (
    run_id bigint not null,
    rule_set smallint not null,
    subject_id text collate "C" not null,
    category_id text collate "C",
    dimension text not null,
    metric text not null,
    numerator bigint not null,
    denominator bigint not null,
    value numeric(18, 6),
    points numeric(9, 4),
    basis text,
    peers bigint,
    better_peers bigint
);
-- Rows of a run stand together.
create index bi_metric_of_run on bi_metric using brin (run_id);

create table bi_unpacked (
    run_id bigint primary key,
    unpacked_at timestamptz not null,
    -- Asked for by hand: it stays as long as full cards do.
    by_hand boolean not null
);
comment on table bi_unpacked is 'Runs whose metrics are in bi_metric; written in the same transaction.';
