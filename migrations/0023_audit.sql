-- Who changed what: one row for each change that an operator, or a key, made by hand.
create table audit_entry (
    entry_id bigint generated always as identity primary key,
    at timestamptz not null,
    -- key, command_line, or nobody where no keys are asked for.
    actor text not null,
    key_id integer,
    -- The name that the key has.
    key_name text,
    action text not null,
    -- The shop or creator that the change is about, if it is about one.
    subject_kind smallint,
    subject_id text collate "C",
    -- The id of what was changed: of a key, an exclusion, a run, a webhook.
    target text,
    -- What it was before, and what it is since; null where it was not there.
    before jsonb,
    after jsonb,
    constraint audit_entry_actor check ((actor = 'key') = (key_id is not null))
);
create index audit_entry_at on audit_entry (at);
create index audit_entry_key on audit_entry (key_id, entry_id) where key_id is not null;
create index audit_entry_subject on audit_entry (subject_id, entry_id) where subject_id is not null;
create index audit_entry_action on audit_entry (action, entry_id);
comment on table audit_entry is 'Who changed what; written in the transaction of the change.';
