-- Draft rule sets replayed over the fleet. Nothing of it is published, and little is kept.

create table preview (
    preview_id bigint generated always as identity primary key,
    -- queued, running, done or failed.
    state text not null default 'queued',
    date date not null,
    -- Of the subjects: 1 shops, 2 creators.
    subject_kind smallint not null,
    -- The rule set that the draft is held against, and the draft, as text.
    against text not null,
    draft text not null,
    requested_at timestamptz not null,
    key_id integer,
    started_at timestamptz,
    finished_at timestamptz,
    subjects_total bigint not null default 0,
    subjects_done bigint not null default 0,
    error text,
    summary jsonb,
    -- The process that works on it, as with runs.
    fence bigint not null default 0,
    lease_until timestamptz,
    constraint preview_state_known check (state in ('queued', 'running', 'done', 'failed')),
    constraint preview_done_has_summary check ((state = 'done') = (summary is not null))
);

create table preview_score (
    preview_id bigint not null references preview on delete cascade,
    subject_id text collate "C" not null,
    category_id text collate "C",
    against_status text not null,
    against_hundredths integer,
    against_tier smallint,
    draft_status text not null,
    draft_hundredths integer,
    draft_tier smallint,
    -- null unless both rule sets give a score.
    change_hundredths integer generated always as (draft_hundredths - against_hundredths) stored,
    -- The metrics that made most of the change, with their parts in millionths.
    movers jsonb not null,
    constraint preview_score_pkey primary key (preview_id, subject_id)
);
