-- Shops whose data are erased at somebody's wish: what is under way, and the record of it afterwards.
create table erasure (
    erasure_id bigint generated always as identity primary key,
    shop_id text collate "C" not null,
    requested_at timestamptz not null,
    -- The key with which it was asked for; null where no keys are asked for.
    key_id integer,
    -- Events removed so far.
    events bigint not null default 0,
    -- When its events and its registration were gone: runs that began before may still have read them.
    emptied_at timestamptz,
    -- By the clock of the database, when a process last worked on it, and from when on it is tried again.
    worked_at timestamptz,
    retry_at timestamptz,
    finished_at timestamptz
);
create index erasure_of_shop on erasure (shop_id);
create unique index erasure_one_under_way on erasure (shop_id) where finished_at is null;
comment on table erasure is 'Shops whose data were erased, or are being erased.';

-- Erasures of shops in this stripe: what writers remember of registrations holds until the next one.
alter table stripe add column erasures bigint not null default 0;
