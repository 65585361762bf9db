-- Reads the two newest days with paid orders again, after payments were taken away.
--
-- $1 kinds of subject, $2 subjects, $3 shops, $4 products.
-- In braces: the prefix of the tables.
insert into {prefix}product_paid (subject_kind, subject_id, shop_id, product_id, last_day, previous_day)
select key.subject_kind, key.subject_id, key.shop_id, key.product_id, paid.days[1], paid.days[2]
from unnest($1::smallint[], $2::text[], $3::text[], $4::text[]) as key (subject_kind, subject_id, shop_id, product_id)
cross join lateral (
    -- The days of one product, newest first.
    select array(
        select day from {prefix}product_count as counted
        where counted.subject_kind = key.subject_kind and counted.subject_id = key.subject_id collate "C"
          and counted.shop_id = key.shop_id collate "C" and counted.product_id = key.product_id collate "C"
          and counted.paid_orders > 0
        order by day desc limit 2
    ) as days
) as paid
where paid.days[1] is not null
on conflict (subject_kind, subject_id, shop_id, product_id) do update
set last_day = excluded.last_day, previous_day = excluded.previous_day
