-- What writers send many rows of, each as one value: PostgreSQL unpacks one array of rows a good deal faster than one array
-- for every column. Attributes stand in the order in which the writers fill them.

create type daily_change as (
    subject_kind smallint,
    subject_id text,
    day date,
    signed_orders bigint,
    reviews bigint,
    product_stars bigint,
    bad_reviews_1 bigint,
    bad_reviews_2 bigint,
    bad_reviews_3 bigint,
    service_reviews bigint,
    bad_service_reviews_1 bigint,
    bad_service_reviews_2 bigint,
    bad_service_reviews_3 bigint,
    negative_orders_1 bigint,
    negative_orders_2 bigint,
    negative_orders_3 bigint,
    delivered_orders bigint,
    delivery_seconds bigint,
    paid_orders bigint,
    quality_returns bigint,
    logistics_returns bigint,
    complaints bigint,
    picked_up_orders bigint,
    pickup_marks bigint,
    refund_only_cases bigint,
    refund_only_wait_seconds bigint,
    return_refund_cases bigint,
    return_refund_wait_seconds bigint,
    merchant_liable_cases bigint,
    daytime_sessions bigint,
    quick_replies bigint,
    rated_sessions bigint,
    dissatisfied_sessions bigint
);
comment on type daily_change is 'What a group of events adds to a row of daily_count; null adds nothing.';

create type product_change as (
    subject_kind smallint,
    subject_id text,
    shop_id text,
    product_id text,
    day date,
    paid_orders bigint,
    signed_orders bigint,
    reviews bigint,
    product_stars bigint,
    bad_reviews_1 bigint,
    bad_reviews_2 bigint,
    bad_reviews_3 bigint,
    quality_returns bigint,
    complaints bigint
);
comment on type product_change is 'What a group of events adds to a row of product_count; null adds nothing.';

create type new_event as (
    time timestamptz,
    seq bigint,
    key_id integer,
    aggregate_kind smallint,
    type smallint,
    shop_id text,
    aggregate_id text,
    event_id text,
    data text
);
comment on type new_event is 'A row of event without the time of its receipt, which is that of its group.';
