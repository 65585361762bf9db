-- The yardstick of the write path: the events alone, in one table with the same primary key, and nothing derived.
create table yardstick (
    time timestamptz not null,
    received_at timestamptz not null,
    seq bigint not null,
    key_id integer,
    aggregate_kind smallint not null,
    type smallint not null,
    shop_id text collate "C" not null,
    aggregate_id text collate "C" not null,
    event_id text collate "C" not null,
    data json not null,
    primary key (shop_id, aggregate_kind, aggregate_id, event_id)
);
