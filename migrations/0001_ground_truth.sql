-- Ground truth: what was told to the service. Nothing in these tables is derived.
--
-- Ids are compared as bytes everywhere, hence collate "C".

-- The slices of shops that writers lock. A writing transaction locks the rows of its stripes in ascending order and
-- advances their heads; what it stores keeps that number. A run keeps the heads that it saw: so it is known which facts
-- a revision knew.
create table stripe (
    stripe smallint primary key,
    head bigint not null default 0,
    -- Exclusions ever made in this stripe: writers look for exclusions only where there are any.
    exclusions bigint not null default 0,
    constraint stripe_range check (stripe between 0 and 63),
    constraint stripe_head_counts_up check (head >= 0)
) with (fillfactor = 50);

insert into stripe (stripe) select generate_series(0, 63);

-- Everything that ever happened, append-only. The primary key is the identity of an event and loads an aggregate.
create table event (
    -- When it happened.
    time timestamptz not null,
    received_at timestamptz not null,
    -- The number of the shop's stripe under which the event was stored.
    seq bigint not null,
    -- The API key that sent it; null where there was none.
    key_id integer,
    -- 1 order, 2 session, 3 product.
    aggregate_kind smallint not null,
    -- Code of the event type: 1 order.paid, 2 order.shipped, 3 order.picked_up, 4 order.signed, 5 order.confirmed,
    -- 6 order.cancelled, 7 review.posted, 8 review.revised, 9 aftersale.opened, 10 aftersale.awaiting_merchant,
    -- 11 aftersale.merchant_responded, 12 aftersale.completed, 13 arbitration.decided, 14 complaint.filed,
    -- 15 complaint.withdrawn, 16 im.session_started, 17 im.replied, 18 im.rated, 19 product.listed,
    -- 20 product.delisted, 21 event.retracted.
    type smallint not null,
    shop_id text collate "C" not null,
    aggregate_id text collate "C" not null,
    event_id text collate "C" not null,
    -- The data member as sent, unknown fields included.
    data json not null,
    constraint event_pkey primary key (shop_id, aggregate_kind, aggregate_id, event_id),
    constraint event_aggregate_kind_known check (aggregate_kind between 1 and 3),
    constraint event_type_known check (type between 1 and 21)
);

-- Shops and creators, as registered last. A category of null: none.
create table subject (
    -- 1 shop, 2 creator.
    subject_kind smallint not null,
    subject_id text collate "C" not null,
    name text,
    category_id text collate "C",
    registered_at timestamptz not null,
    updated_at timestamptz not null,
    constraint subject_pkey primary key (subject_kind, subject_id),
    constraint subject_kind_known check (subject_kind between 1 and 2)
);

-- When the first subject became known decides from which day on runs are owed.
create index subject_registered_at on subject (registered_at);
create index subject_category on subject (subject_kind, category_id, subject_id);

-- Every change that the registry ever took, numbered like the events.
create table subject_change (
    subject_kind smallint not null,
    subject_id text collate "C" not null,
    -- The number of the subject's stripe under which the change was stored.
    seq bigint not null,
    changed_at timestamptz not null,
    name text,
    category_id text collate "C",
    constraint subject_change_pkey primary key (subject_kind, subject_id, seq)
);

-- The ledger of exclusions and revocations.
create table exclusion (
    exclusion_id bigint generated always as identity primary key,
    shop_id text collate "C" not null,
    target text not null,
    target_id text collate "C" not null,
    -- The order that a review, an after-sale case or a complaint belongs to.
    order_id text collate "C",
    -- The aggregate whose counts the exclusion changes.
    aggregate_kind smallint not null,
    aggregate_id text collate "C" not null,
    reason text not null,
    decided_by text not null,
    note text,
    created_at timestamptz not null,
    -- The numbers of the shop's stripe under which the exclusion and its revocation were stored.
    seq bigint not null,
    revoked_at timestamptz,
    revoked_by text,
    revoke_note text,
    revoked_seq bigint,
    constraint exclusion_target_known check (target in ('order', 'review', 'aftersale', 'complaint', 'session')),
    constraint exclusion_part_names_its_order
        check ((target in ('review', 'aftersale', 'complaint')) = (order_id is not null)),
    constraint exclusion_revocation_whole check ((revoked_at is null) = (revoked_seq is null))
);

create unique index exclusion_active_once
    on exclusion (shop_id, target, coalesce(order_id, ''), target_id) where revoked_at is null;
create index exclusion_aggregate on exclusion (shop_id, aggregate_kind, aggregate_id) where revoked_at is null;
