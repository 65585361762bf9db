-- What the products that do not qualify add to the sums of a window, by subject: those off the shelf at the end of the day
-- before the score date, and those without a paid order in the window. They are few, and found by key; the products that
-- qualify are not read.
--
-- $1 kind of subject (1 shop, 2 creator), $2 and $3 the window's first and last day, $4 the score date.
-- In braces: the sums of the measures, their names, and the sums of these over all products of a subject.
with off as not materialized (
    -- The products off the shelf. Spans of one product have no day in common, so each product is there once.
    select shop_id, product_id from product_off_shelf
    where from_day < $4 and (until_day is null or until_day >= $4)
), candidate as (
    -- Products that may not qualify, of every subject. A shop's products are its own.
    select shop_id as subject_id, shop_id, product_id, true as is_off from off where $1 = 1
    union all
    -- A creator has the products that its orders were of.
    select paid.subject_id, shop_id, product_id, true
    from off join product_paid as paid using (shop_id, product_id)
    where paid.subject_kind = $1 and $1 <> 1
    union all
    -- Whether the window has a paid order is certain only where one of the two newest paid days is in it.
    select subject_id, shop_id, product_id, false from product_paid as paid
    where subject_kind = $1
      and (last_day < $2 or (last_day > $3 and (previous_day is null or previous_day not between $2 and $3)))
      and not exists (
          select from off where off.shop_id = paid.shop_id and off.product_id = paid.product_id
      )
)
select subject_id, array[{totals}]
from candidate cross join lateral (
    -- A candidate's counts in the window, which also tell for certain whether an order was paid.
    select {sums}, sum(paid_orders) as paid_in_window
    from product_count as kept
    where kept.subject_kind = $1 and kept.subject_id = candidate.subject_id
      and kept.shop_id = candidate.shop_id and kept.product_id = candidate.product_id
      and kept.day between $2 and $3
) as counted
where num_nonnulls({names}) > 0 and (is_off or coalesce(paid_in_window, 0) = 0)
group by subject_id
