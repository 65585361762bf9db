-- The same instants, of aggregates that are found first and read by key: a shop's that have a fault, or a creator's.
--
-- $1 to $10 as in records_of_shop.sql, but that $1 may be a creator.
with named as materialized (
    -- The aggregates in question.
    {aggregates}
)
select distinct event.at, event.shop_id, event.aggregate_kind, event.aggregate_id
from named cross join lateral (
    -- Their instants in the window. The offset keeps the planner from reading all events of the types instead.
    select {at} as at, shop_id, aggregate_kind, aggregate_id, data from event
    where event.shop_id = named.shop_id and event.aggregate_kind = named.aggregate_kind
      and event.aggregate_id = named.aggregate_id and event.type in ({cohort}) and event.seq <= $2
      and {at} >= $3 and {at} < $4
    offset 0
) event
where ($5::timestamptz is null
       or (event.at, event.shop_id, event.aggregate_kind, event.aggregate_id) < ($5, $6, $7, $8))
  {of_product}
order by 1 desc, 2 desc, 3 desc, 4 desc limit $10
