-- Counts say what was counted: a version that counts something else must count the old days anew before it may go on.

alter table counting add column measures text;

-- Counts that exist were made of these.
update counting set measures =
    'day: bad_reviews_1 bad_reviews_2 bad_reviews_3 bad_service_reviews_1 bad_service_reviews_2 bad_service_reviews_3 '
    || 'complaints daytime_sessions delivered_orders delivery_seconds dissatisfied_sessions logistics_returns '
    || 'merchant_liable_cases negative_orders_1 negative_orders_2 negative_orders_3 paid_orders picked_up_orders '
    || 'pickup_marks product_stars quality_returns quick_replies rated_sessions refund_only_cases '
    || 'refund_only_wait_seconds return_refund_cases return_refund_wait_seconds reviews service_reviews signed_orders; '
    || 'product: bad_reviews_1 bad_reviews_2 bad_reviews_3 complaints paid_orders product_stars quality_returns reviews '
    || 'signed_orders';

alter table counting alter column measures set not null;
comment on column counting.measures is
    'The measures that are counted per day, and per day and product, by name. They change only by a rebuild.';

-- What is sent of changed counts is named after the table that it changes, and the measures of products stand in the same
-- order as those of days. The new name keeps writers of older versions from sending them in the old order.
alter type daily_change rename to daily_count_change;

drop type product_change;
create type product_count_change as (
    subject_kind smallint,
    subject_id text,
    shop_id text,
    product_id text,
    day date,
    signed_orders bigint,
    reviews bigint,
    product_stars bigint,
    bad_reviews_1 bigint,
    bad_reviews_2 bigint,
    bad_reviews_3 bigint,
    paid_orders bigint,
    quality_returns bigint,
    complaints bigint
);
comment on type product_count_change is 'What a group of events adds to a row of product_count; null adds nothing.';
