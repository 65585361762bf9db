-- What platforms pushed and nobody could read, or made events that were rejected: kept for the operator, never dropped in silence.
create table unread_message (
    unread_id bigint generated always as identity primary key,
    connector text collate "C" not null,
    received_at timestamptz not null,
    -- What the platform calls the kind of the message, and the message; empty, and null, where that could not be read.
    tag text not null,
    message_id text,
    -- Why: a word of the connector's, or the code of the first fault of an event.
    code text not null,
    detail text not null,
    -- The beginning of it, where it is long.
    message text not null,
    -- SHA-256 of the message: who sends it again adds nothing.
    digest bytea not null
);
create unique index unread_message_once on unread_message (connector, digest);
create index unread_message_of_connector on unread_message (connector, unread_id);
comment on table unread_message is 'The newest messages of each connector that were not understood; not ground truth.';
