-- Runs and what they published.

-- Every text of a rule set that a run ever used, so that old revisions can be explained.
create table rule_set_version (
    version_no smallint generated always as identity primary key,
    rule_set_id text collate "C" not null,
    -- SHA-256 of the text, in hex.
    hash text not null unique,
    source text not null,
    first_used_at timestamptz not null
);

create table run (
    run_id bigint generated always as identity primary key,
    date date not null,
    trigger text not null,
    state text not null,
    -- 1, 2, … per date; given at publication.
    revision integer,
    late boolean not null default false,
    reason text,
    -- Raised whenever a process takes the run; publication checks it, so a process that lost the run cannot publish.
    fence bigint not null default 0,
    lease_until timestamptz,
    subjects_total bigint not null default 0,
    subjects_done bigint not null default 0,
    requested_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    published_at timestamptz,
    error text,
    -- The heads of all stripes, by stripe, that the run's counts include.
    heads bigint[],
    -- rule_set_version.version_no of the rule sets it computed, in the order of its cards.
    rule_sets smallint[],
    constraint run_trigger_known check (trigger in ('scheduled', 'catch_up', 'backfill', 'manual')),
    constraint run_state_known check (state in ('queued', 'running', 'published', 'failed')),
    constraint run_published_whole check (
        (state = 'published') = (revision is not null)
        and (state <> 'published' or (published_at is not null and heads is not null and rule_sets is not null))
    ),
    constraint run_revision_once unique (date, revision)
);

create unique index run_one_under_way on run (date) where state in ('queued', 'running');
create index run_by_date on run (date, state);

-- A subject's score in a run under one rule set: the short card.
create table score (
    run_id bigint not null,
    signed_orders bigint not null,
    -- In hundredths; null without enough volume.
    score_hundredths integer,
    tier_level smallint,
    -- rule_set_version.version_no
    rule_set smallint not null,
    subject_id text collate "C" not null,
    category_id text collate "C",
    constraint score_pkey primary key (run_id, rule_set, subject_id),
    constraint score_tier_needs_score check ((score_hundredths is null) = (tier_level is null))
);

-- The counts, standings, points and dimension scores of a subject in a run, under all rule sets of its kind.
create table score_detail (
    run_id bigint not null,
    subject_kind smallint not null,
    subject_id text collate "C" not null,
    -- Packed; written and read by the service's card codec.
    cards bytea not null,
    constraint score_detail_pkey primary key (run_id, subject_kind, subject_id)
);

-- One row that a process holds while it decides which run is due.
create table schedule (
    only_row boolean primary key default true,
    constraint schedule_only_row check (only_row)
);

insert into schedule default values;
