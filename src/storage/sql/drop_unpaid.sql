-- Drops products of which no paid order is left.
--
-- $1 kinds of subject, $2 subjects, $3 shops, $4 products.
-- In braces: the prefix of the tables.
delete from {prefix}product_paid as kept
using unnest($1::smallint[], $2::text[], $3::text[], $4::text[]) as key (subject_kind, subject_id, shop_id, product_id)
where kept.subject_kind = key.subject_kind and kept.subject_id = key.subject_id collate "C"
  and kept.shop_id = key.shop_id collate "C" and kept.product_id = key.product_id collate "C"
  and not exists (
      select from {prefix}product_count as counted
      where counted.subject_kind = key.subject_kind and counted.subject_id = key.subject_id collate "C"
        and counted.shop_id = key.shop_id collate "C" and counted.product_id = key.product_id collate "C"
        and counted.paid_orders > 0
  )
