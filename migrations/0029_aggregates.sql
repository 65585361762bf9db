-- What is folded together is kept together: an order, session or product is one row with all its events. A row for every event
-- took several times as many bytes, most of them for keys that the six events of an order repeated in four indexes.

create table aggregate (
    -- The last moment at which any of its events happened, or at which one counts.
    last_at timestamptz not null,
    -- Of its newest event: the number of the shop's stripe, and the receipt.
    seq bigint not null,
    received_at timestamptz not null,
    -- The first day (UTC) on which any of its events happened or counts.
    first_day date not null,
    -- 1 order, 2 session, 3 product.
    aggregate_kind smallint not null,
    event_count smallint not null,
    -- What makes it hard to find by its first day, a bit each: 1 it goes on for more than 45 days, 2 it was paid for on a later day, 4 it
    -- was picked up more than 7 days later, 8 it was signed or promised for more than 20 days later, 16 its session began on a later
    -- day. 0 for most.
    late smallint not null generated always as (
        (case when (last_at at time zone 'UTC')::date - first_day > 45 then 1 else 0 end)
        + (case when paid_days >> 1 <> 0 then 2 else 0 end)
        + (case when pickup_days >> 8 <> 0 then 4 else 0 end)
        + (case when delivery_days >> 21 <> 0 then 8 else 0 end)
        + (case when session_days >> 1 <> 0 then 16 else 0 end)
    ) stored,
    shop_id text collate "C" not null,
    aggregate_id text collate "C" not null,
    -- The days on which it was paid for; was picked up; was signed for, or promised for; had cases; or on which a session began: bit 0
    -- for its first day. null for none; those of one that goes on for more than 45 days are not complete.
    paid_days bigint,
    pickup_days bigint,
    delivery_days bigint,
    case_days bigint,
    session_days bigint,
    -- The types of its events that can be somebody's fault, a bit for each, by its code; null for none.
    faults bigint,
    -- The creators that its events credit; null for none.
    creator_ids text[] collate "C",
    -- All that was ever told of it, in the order of arrival; what comes is appended. See unpacked_events.
    events bytea not null,
    constraint aggregate_pkey primary key (shop_id, aggregate_kind, aggregate_id),
    constraint aggregate_kind_known check (aggregate_kind between 1 and 3),
    constraint aggregate_events_some check (event_count > 0)
);
comment on table aggregate is 'Ground truth: orders, sessions and products, each with its events.';
-- No column in these indexes changes with most events, so that these are appended without touching an index.
create index aggregate_day on aggregate (first_day, shop_id);
create index aggregate_late on aggregate (shop_id, first_day) where late <> 0;
create index aggregate_fault on aggregate (shop_id, first_day) where faults is not null;
create index aggregate_creator on aggregate using gin (creator_ids) where creator_ids is not null;

-- What arrived for an aggregate.
create type new_aggregate as (
    shop_id text,
    aggregate_kind smallint,
    aggregate_id text,
    first_day date,
    last_at timestamptz,
    event_count smallint,
    seq bigint,
    received_at timestamptz,
    paid_days bigint,
    pickup_days bigint,
    delivery_days bigint,
    case_days bigint,
    session_days bigint,
    faults bigint,
    creator_ids text[],
    events bytea
);

-- One event, for those who read them with SQL.
create type unpacked_event as (
    time timestamptz,
    received_at timestamptz,
    seq bigint,
    key_id integer,
    type smallint,
    event_id text,
    data text,
    uncredited boolean
);

-- A number from packed bytes, and where the next thing begins: seven bits a byte, the lowest first, the sign in the lowest bit.
create function packed_number(packed bytea, inout place integer, out number bigint)
    language plpgsql immutable strict parallel safe as $$
declare
    bits bigint := 0;
    shift integer := 0;
    read integer;
begin
    loop
        read := get_byte(packed, place);
        place := place + 1;
        bits := bits | ((read & 127)::bigint << shift);
        exit when read < 128;
        shift := shift + 7;
    end loop;
    number := (bits >> 1) # -(bits & 1);
end $$;

-- The events of an aggregate. What one transaction stored is a chunk: version (1), number of events, number of the stripe and
-- receipt (microseconds since 1970), then the events. Each has its type (a byte), flags (a byte: 1 credits nobody, 2 has data,
-- 4 tells its time in seconds), how long before the receipt it happened, the key that sent it (-1 for none), its id, and its data
-- where they say more than the row does. A text is its length and its bytes. The program packs and reads the same in
-- storage::packed_event.
create function unpacked_events(packed bytea) returns setof unpacked_event
    language plpgsql immutable strict parallel safe rows 5 as $$
declare
    place integer := 0;
    number bigint;
    remaining bigint;
    receipt bigint;
    happened bigint;
    flags integer;
    event unpacked_event;
begin
    while place < length(packed) loop
        if get_byte(packed, place) <> 1 then
            raise exception 'packed events of an unknown version';
        end if;
        select * into place, remaining from packed_number(packed, place + 1);
        select * into place, event.seq from packed_number(packed, place);
        select * into place, receipt from packed_number(packed, place);
        event.received_at := 'epoch'::timestamptz + receipt * interval '1 microsecond';
        while remaining > 0 loop
            remaining := remaining - 1;
            event.type := get_byte(packed, place);
            flags := get_byte(packed, place + 1);
            event.uncredited := nullif(flags & 1 > 0, false);
            select * into place, number from packed_number(packed, place + 2);
            if flags & 4 > 0 then
                -- Rounded down, as in the program; receipts lie after 1970.
                happened := (receipt / 1000000 - number) * 1000000;
            else
                happened := receipt - number;
            end if;
            event.time := 'epoch'::timestamptz + happened * interval '1 microsecond';
            select * into place, number from packed_number(packed, place);
            event.key_id := nullif(number, -1);
            select * into place, number from packed_number(packed, place);
            event.event_id := convert_from(substring(packed from place + 1 for number::integer), 'UTF8');
            place := place + number::integer;
            event.data := null;
            if flags & 2 > 0 then
                select * into place, number from packed_number(packed, place);
                event.data := convert_from(substring(packed from place + 1 for number::integer), 'UTF8');
                place := place + number::integer;
            end if;
            return next event;
        end loop;
    end loop;
end $$;

-- The events of the version before. `shopscore migrate`, and the start of the service, pack them in steps and then drop this
-- table (see storage::repack).
alter table event rename to event_row;
-- What is packed is settled mostly and fills its pages; from then on they leave room for appended events.
do $$ begin
    if not exists (select from event_row) then
        drop table event_row;
        -- Only an index of that table used it.
        drop function deliver_by(json);
        alter table aggregate set (fillfactor = 70);
    end if;
end $$;
drop type new_event;

create view event as
    select event.time, event.received_at, event.seq, event.key_id, aggregate.aggregate_kind, event.type, aggregate.shop_id,
           aggregate.aggregate_id, event.event_id collate "C" as event_id, event.data::json as data, event.uncredited
    from aggregate cross join lateral unpacked_events(aggregate.events) as event;
comment on view event is 'Every event as a row of its own, for reading with SQL. It unpacks all events of each aggregate that it reads.';
