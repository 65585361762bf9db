-- Derived from the ground truth: truncate these tables, run `shopscore rebuild`, and every number is the same.

-- Under which settings the counts are kept. They change only by a rebuild.
create table counting (
    only_row boolean primary key default true,
    -- The business time zone (IANA name).
    time_zone text not null,
    constraint counting_only_row check (only_row)
);

-- What a subject counts for on a business day. A count of null is 0: most are, and null takes no room.
create table daily_count (
    day date not null,
    -- 1 shop, 2 creator.
    subject_kind smallint not null,
    subject_id text collate "C" not null,
    signed_orders integer,
    reviews integer,
    product_stars integer,
    bad_reviews_1 integer,
    bad_reviews_2 integer,
    bad_reviews_3 integer,
    service_reviews integer,
    bad_service_reviews_1 integer,
    bad_service_reviews_2 integer,
    bad_service_reviews_3 integer,
    negative_orders_1 integer,
    negative_orders_2 integer,
    negative_orders_3 integer,
    delivered_orders integer,
    delivery_seconds bigint,
    paid_orders integer,
    quality_returns integer,
    logistics_returns integer,
    complaints integer,
    picked_up_orders integer,
    pickup_marks integer,
    refund_only_cases integer,
    refund_only_wait_seconds bigint,
    return_refund_cases integer,
    return_refund_wait_seconds bigint,
    merchant_liable_cases integer,
    daytime_sessions integer,
    quick_replies integer,
    rated_sessions integer,
    dissatisfied_sessions integer,
    constraint daily_count_pkey primary key (subject_kind, subject_id, day)
) with (fillfactor = 85);

-- The same per product, for the subject to whom the orders count: the shop itself, or a creator.
create table product_count (
    day date not null,
    subject_kind smallint not null,
    subject_id text collate "C" not null,
    shop_id text collate "C" not null,
    product_id text collate "C" not null,
    paid_orders integer,
    signed_orders integer,
    reviews integer,
    product_stars integer,
    bad_reviews_1 integer,
    bad_reviews_2 integer,
    bad_reviews_3 integer,
    quality_returns integer,
    complaints integer,
    constraint product_count_pkey primary key (subject_kind, subject_id, shop_id, product_id, day)
) with (fillfactor = 85);

-- The days at whose end a product was off the shelf: from_day to the day before until_day (null: still off).
create table product_off_shelf (
    shop_id text collate "C" not null,
    product_id text collate "C" not null,
    from_day date not null,
    until_day date,
    constraint product_off_shelf_pkey primary key (shop_id, product_id, from_day),
    constraint product_off_shelf_in_order check (until_day > from_day)
);
