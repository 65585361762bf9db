-- What the answers about a score are found by.

-- The instants that counts go by, by shop and day (UTC): payments, pick-ups, sign-offs, confirmations, completions of
-- cases, starts of sessions. Many events share a key, so an entry takes few bytes.
create index event_cohort on event (shop_id, type, ((time at time zone 'UTC')::date)) where type in (1, 3, 4, 5, 12, 16);

-- The few events that can be somebody's fault: completed cases, rulings, complaints, and reviews and ratings that do not say 4 or
-- 5 stars throughout.
create index event_fault on event (shop_id, type)
    where type in (12, 13, 14)
       or (type = 7 and ((data ->> 'product_stars') not in ('4', '5') or (data ->> 'service_stars') not in ('4', '5')))
       or (type = 18 and (data ->> 'stars') not in ('4', '5'));

-- The orders and sessions of a creator, over all shops.
create index event_creator on event ((data ->> 'creator_id') collate "C") where type in (1, 16) and (data ->> 'creator_id') is not null;

-- An older revision needs the exclusions that are revoked by now, too.
create index exclusion_of_aggregate on exclusion (shop_id, aggregate_kind, aggregate_id);

-- Derived: the two newest days on which a product was paid for, per subject to whom the orders count. A run looks here
-- for the few products that do not qualify for the product base score.
create table product_paid (
    last_day date not null,
    -- null: there is only one.
    previous_day date,
    subject_kind smallint not null,
    subject_id text collate "C" not null,
    shop_id text collate "C" not null,
    product_id text collate "C" not null,
    constraint product_paid_pkey primary key (subject_kind, subject_id, shop_id, product_id),
    constraint product_paid_in_order check (previous_day < last_day)
);

insert into product_paid (last_day, previous_day, subject_kind, subject_id, shop_id, product_id)
select days[1], days[2], subject_kind, subject_id, shop_id, product_id
from (
    select subject_kind, subject_id, shop_id, product_id, array_agg(day order by day desc) as days
    from product_count where paid_orders > 0
    group by subject_kind, subject_id, shop_id, product_id
) as paid;

-- The values of everybody whom a run assessed, per rule set, metric and category: what a value stands among.
create table peer_group (
    run_id bigint not null,
    -- rule_set_version.version_no
    rule_set smallint not null,
    -- Place of the metric in its rule set, from 0.
    metric smallint not null,
    members integer not null,
    -- '' for those without a category.
    category_id text collate "C" not null,
    -- Best first; packed, written and read by the service's codec.
    members_values bytea not null,
    constraint peer_group_pkey primary key (run_id, rule_set, metric, category_id)
);

alter table peer_group alter column members_values set storage external;
