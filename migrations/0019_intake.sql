-- What a shop's senders should know: events that were rejected, the newest hundred of each shop, and members of data that no
-- event type knows.
create table rejection (
    rejection_id bigint generated always as identity primary key,
    shop_id text collate "C" not null,
    rejected_at timestamptz not null,
    key_id integer,
    -- As the event claimed them, as far as they could be read.
    event_id text,
    type text,
    -- The first fault.
    code text not null,
    pointer text not null,
    detail text not null
);
create index rejection_of_shop on rejection (shop_id, rejection_id);
comment on table rejection is 'The newest rejected events of each shop, written a moment after their answer; not ground truth.';

create table unknown_member (
    shop_id text collate "C" not null,
    -- event.type
    type smallint not null,
    member text collate "C" not null,
    events bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    constraint unknown_member_pkey primary key (shop_id, type, member)
);
comment on table unknown_member is
    'Members of data that the type does not know, by name alone, counted a moment after their answer; not ground truth.';
