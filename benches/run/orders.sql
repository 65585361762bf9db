-- One row per order beside the market of fill.sql, and the shops' daily counts as the sums of these rows.
--
-- psql variables: shops, days, orders (a shop and day), date. An order's contributions are null where they are nothing,
-- like the counts: it makes the rows small and the yardstick fast. Pick-ups and sessions go by the day of payment,
-- cases by the day of sign-off.

create table order_row (
    shop_id text collate "C" not null,
    paid_day date not null,
    -- null: on its way.
    signed_day date,
    delivery_seconds integer,
    refund_only_wait_seconds integer,
    return_refund_wait_seconds integer,
    reviews smallint,
    product_stars smallint,
    bad_reviews_1 smallint,
    bad_reviews_2 smallint,
    bad_reviews_3 smallint,
    service_reviews smallint,
    bad_service_reviews_1 smallint,
    bad_service_reviews_2 smallint,
    bad_service_reviews_3 smallint,
    negative_orders_1 smallint,
    negative_orders_2 smallint,
    negative_orders_3 smallint,
    quality_returns smallint,
    logistics_returns smallint,
    complaints smallint,
    pickup_marks smallint,
    refund_only_cases smallint,
    return_refund_cases smallint,
    merchant_liable_cases smallint,
    daytime_sessions smallint,
    quick_replies smallint,
    rated_sessions smallint,
    dissatisfied_sessions smallint
);

set work_mem = '256MB';

\warn '  orders, one row each:' :shops 'shops,' :orders 'a day'

insert into order_row
select shop_id, paid_day, signed_day,
       case when signed_day is not null then 80000 + fault * 8000 + (b & 65535) end,
       case when refunded = 1 then 20000 + fault * 4000 + (c & 65535) end,
       case when returned = 1 then 40000 + fault * 8000 + (c & 65535) end,
       case when stars > 0 then 1 end, stars,
       case when stars <= 1 then 1 end, case when stars <= 2 then 1 end, case when stars <= 3 then 1 end,
       case when service_stars > 0 then 1 end, case when service_stars <= 1 then 1 end,
       case when service_stars <= 2 then 1 end, case when service_stars <= 3 then 1 end,
       case when stars <= 1 or negative = 1 then 1 end, case when stars <= 2 or negative = 1 then 1 end,
       case when stars <= 3 or negative = 1 then 1 end,
       quality, case when (a >> 40 & 255) < (fault & 3) then 1 end, complaint,
       case when (a >> 48 & 255) < 8 + 4 * fault then 20 else 70 end,
       refunded, returned, case when (refunded = 1 or returned = 1) and (b >> 48 & 255) < 2 * fault then 1 end,
       spoken, case when spoken = 1 and (b >> 32 & 255) < 250 - 8 * fault then 1 end, rated,
       case when rated = 1 and (b >> 40 & 255) < 10 + 4 * fault then 1 end
from (
    select *, case when signed_day is not null and (quality = 1 or complaint = 1) then 1 end as negative,
           case when stars > 0 and (b >> 16 & 255) < 192
                then case when (b >> 24 & 255) < 4 + 2 * fault then 1 + (c & 1) else 5 end end as service_stars,
           case when spoken = 1 and (c >> 16 & 255) < 80 then 1 end as rated
    from (
        select shop_id, fault, a, b, c, paid_day, signed_day,
               case when signed_day is not null and (a & 255) < 90
                    then case when (a >> 8 & 255) < 4 + 2 * fault then 1 + (a >> 16 & 3) % 3
                              else 5 - (a >> 18 & 3) / 3 end end as stars,
               case when (a >> 24 & 255) <= fault then 1 end as quality,
               case when (a >> 32 & 255) <= fault / 4 then 1 end as complaint,
               case when signed_day is not null and (c >> 24 & 255) < 8 then 1 end as refunded,
               case when signed_day is not null and (c >> 32 & 255) < 12 then 1 end as returned,
               case when (c >> 40 & 255) < 64 then 1 end as spoken
        from (
            select :'date'::date - age as paid_day,
                   case when age >= 2 + (sold.a >> 56 & 3)
                        then :'date'::date - age + 2 + (sold.a >> 56 & 3)::integer end as signed_day,
                   sold.*
            from generate_series(:days, 0, -1) as age
            cross join lateral (
                select 'shop-' || lpad(number::text, 6, '0') as shop_id, hashint8extended(number, 5) & 15 as fault,
                       hashint8extended(((number * 1000::bigint) + age) * 10000 + place, 11) as a,
                       hashint8extended(((number * 1000::bigint) + age) * 10000 + place, 12) as b,
                       hashint8extended(((number * 1000::bigint) + age) * 10000 + place, 13) as c
                from generate_series(1, :orders) as place cross join generate_series(1, :shops) as number
            ) as sold
            offset 0
        ) as of_day
        offset 0
    ) as parts
) as whole;

\warn '  their sums as daily counts'

delete from daily_count where subject_kind = 1;

with paid as (
    select shop_id, paid_day as day, count(*) as paid_orders, sum(quality_returns) as quality_returns,
           sum(logistics_returns) as logistics_returns, sum(complaints) as complaints,
           count(pickup_marks) as picked_up_orders, sum(pickup_marks) as pickup_marks,
           sum(daytime_sessions) as daytime_sessions, sum(quick_replies) as quick_replies,
           sum(rated_sessions) as rated_sessions, sum(dissatisfied_sessions) as dissatisfied_sessions
    from order_row group by shop_id, paid_day
), signed as (
    select shop_id, signed_day as day, count(*) as signed_orders, sum(reviews) as reviews,
           sum(product_stars) as product_stars, sum(bad_reviews_1) as bad_reviews_1,
           sum(bad_reviews_2) as bad_reviews_2, sum(bad_reviews_3) as bad_reviews_3,
           sum(service_reviews) as service_reviews, sum(bad_service_reviews_1) as bad_service_reviews_1,
           sum(bad_service_reviews_2) as bad_service_reviews_2, sum(bad_service_reviews_3) as bad_service_reviews_3,
           sum(negative_orders_1) as negative_orders_1, sum(negative_orders_2) as negative_orders_2,
           sum(negative_orders_3) as negative_orders_3, count(delivery_seconds) as delivered_orders,
           sum(delivery_seconds) as delivery_seconds, sum(refund_only_cases) as refund_only_cases,
           sum(refund_only_wait_seconds) as refund_only_wait_seconds, sum(return_refund_cases) as return_refund_cases,
           sum(return_refund_wait_seconds) as return_refund_wait_seconds,
           sum(merchant_liable_cases) as merchant_liable_cases
    from order_row where signed_day is not null group by shop_id, signed_day
)
insert into daily_count (
    day, subject_kind, subject_id, signed_orders, reviews, product_stars, bad_reviews_1, bad_reviews_2, bad_reviews_3,
    service_reviews, bad_service_reviews_1, bad_service_reviews_2, bad_service_reviews_3,
    negative_orders_1, negative_orders_2, negative_orders_3, delivered_orders, delivery_seconds,
    paid_orders, quality_returns, logistics_returns, complaints, picked_up_orders, pickup_marks,
    refund_only_cases, refund_only_wait_seconds, return_refund_cases, return_refund_wait_seconds,
    merchant_liable_cases, daytime_sessions, quick_replies, rated_sessions, dissatisfied_sessions)
select day, 1, shop_id, signed_orders, reviews, product_stars, bad_reviews_1, bad_reviews_2, bad_reviews_3,
       service_reviews, bad_service_reviews_1, bad_service_reviews_2, bad_service_reviews_3,
       negative_orders_1, negative_orders_2, negative_orders_3, delivered_orders, delivery_seconds,
       paid_orders, quality_returns, logistics_returns, complaints, picked_up_orders, pickup_marks,
       refund_only_cases, refund_only_wait_seconds, return_refund_cases, return_refund_wait_seconds,
       merchant_liable_cases, daytime_sessions, quick_replies, rated_sessions, dissatisfied_sessions
from paid full join signed using (shop_id, day)
order by day, shop_id;

\warn '  vacuum and checkpoint'

vacuum (analyze) order_row, daily_count;
checkpoint;
