-- The same window sums as yardstick.sql, by one SQL over one row per order.
--
-- psql variable: date, the score date.

select format('filter (where paid_day between %L and %L)', :'date'::date - 90, :'date'::date - 1) as near_paid,
       format('filter (where signed_day between %L and %L)', :'date'::date - 90, :'date'::date - 1) as near_signed,
       format('filter (where paid_day between %L and %L)', :'date'::date - 104, :'date'::date - 15) as mature
\gset

\timing on

-- count(sums) and not count(*), for which PostgreSQL would leave out the sums.
select count(sums) from (
    select shop_id,
           count(signed_day) :near_signed as signed_orders,
           sum(reviews) :near_signed as reviews,
           sum(product_stars) :near_signed as product_stars,
           sum(negative_orders_2) :near_signed as negative_orders_2,
           count(pickup_marks) :near_paid as picked_up_orders,
           sum(pickup_marks) :near_paid as pickup_marks,
           count(delivery_seconds) :near_signed as delivered_orders,
           sum(delivery_seconds) :near_signed as delivery_seconds,
           sum(service_reviews) :near_signed as service_reviews,
           sum(bad_service_reviews_2) :near_signed as bad_service_reviews_2,
           sum(merchant_liable_cases) :near_signed as merchant_liable_cases,
           sum(daytime_sessions) :near_paid as daytime_sessions,
           sum(quick_replies) :near_paid as quick_replies,
           count(*) :mature as paid_orders,
           sum(quality_returns) :mature as quality_returns,
           sum(logistics_returns) :mature as logistics_returns,
           sum(complaints) :mature as complaints
    from order_row
    where paid_day between :'date'::date - 104 and :'date'::date - 1
    group by shop_id
) as sums;
