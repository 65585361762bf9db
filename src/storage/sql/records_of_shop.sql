-- The instants of a shop's events of some types, newest first, each aggregate once for every instant.
--
-- $1 shop, $2 the head of its stripe, $3 from, $4 until, $5 to $8 the place after which the page begins, $9 product,
-- $10 limit, $11 the days (UTC) from $3 to $4: naming them lets the index by day be used.
-- In braces: the codes of the types; the instant that an event stands for; and conditions that leave the days, the aggregates
-- that have a fault, and the orders of the product.
select distinct {at} as at, event.shop_id, event.aggregate_kind, event.aggregate_id from event
where event.shop_id = $1 collate "C" and event.type in ({cohort}) and event.seq <= $2
  {on_days}
  and {at} >= $3 and {at} < $4
  and ($5::timestamptz is null
       or ({at}, event.shop_id, event.aggregate_kind, event.aggregate_id) < ($5, $6, $7, $8))
  {of_product}
  {with_fault}
order by 1 desc, 2 desc, 3 desc, 4 desc limit $10
