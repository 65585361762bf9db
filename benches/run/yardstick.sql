-- The yardstick of a run: one SQL that only sums 17 of the shops' daily counts over their windows.
--
-- psql variable: date, the score date.

select format('filter (where day between %L and %L)', :'date'::date - 90, :'date'::date - 1) as near,
       format('filter (where day between %L and %L)', :'date'::date - 104, :'date'::date - 15) as mature
\gset

\timing on

-- count(sums) and not count(*), for which PostgreSQL would leave out the sums.
select count(sums) from (
    select subject_id,
           sum(signed_orders) :near as signed_orders,
           sum(reviews) :near as reviews,
           sum(product_stars) :near as product_stars,
           sum(negative_orders_2) :near as negative_orders_2,
           sum(picked_up_orders) :near as picked_up_orders,
           sum(pickup_marks) :near as pickup_marks,
           sum(delivered_orders) :near as delivered_orders,
           sum(delivery_seconds) :near as delivery_seconds,
           sum(service_reviews) :near as service_reviews,
           sum(bad_service_reviews_2) :near as bad_service_reviews_2,
           sum(merchant_liable_cases) :near as merchant_liable_cases,
           sum(daytime_sessions) :near as daytime_sessions,
           sum(quick_replies) :near as quick_replies,
           sum(paid_orders) :mature as paid_orders,
           sum(quality_returns) :mature as quality_returns,
           sum(logistics_returns) :mature as logistics_returns,
           sum(complaints) :mature as complaints
    from daily_count
    where subject_kind = 1 and day between :'date'::date - 104 and :'date'::date - 1
    group by subject_id
) as sums;
