-- Appends what arrived ($1) to aggregates that are there.
update aggregate as kept set
    first_day = least(kept.first_day, new.first_day),
    last_at = greatest(kept.last_at, new.last_at),
    event_count = kept.event_count + new.event_count,
    seq = new.seq,
    received_at = greatest(kept.received_at, new.received_at),
    -- Both counted from the earlier of the first days. Only bits of long ones fall out, and those are not asked for.
    paid_days = nullif((coalesce(kept.paid_days, 0) << least(greatest(kept.first_day - new.first_day, 0), 63))
        | (coalesce(new.paid_days, 0) << least(greatest(new.first_day - kept.first_day, 0), 63)), 0),
    pickup_days = nullif((coalesce(kept.pickup_days, 0) << least(greatest(kept.first_day - new.first_day, 0), 63))
        | (coalesce(new.pickup_days, 0) << least(greatest(new.first_day - kept.first_day, 0), 63)), 0),
    delivery_days = nullif((coalesce(kept.delivery_days, 0) << least(greatest(kept.first_day - new.first_day, 0), 63))
        | (coalesce(new.delivery_days, 0) << least(greatest(new.first_day - kept.first_day, 0), 63)), 0),
    case_days = nullif((coalesce(kept.case_days, 0) << least(greatest(kept.first_day - new.first_day, 0), 63))
        | (coalesce(new.case_days, 0) << least(greatest(new.first_day - kept.first_day, 0), 63)), 0),
    session_days = nullif((coalesce(kept.session_days, 0) << least(greatest(kept.first_day - new.first_day, 0), 63))
        | (coalesce(new.session_days, 0) << least(greatest(new.first_day - kept.first_day, 0), 63)), 0),
    faults = coalesce(kept.faults, new.faults) | coalesce(new.faults, 0),
    creator_ids = case when new.creator_ids is null or kept.creator_ids @> new.creator_ids
                       then kept.creator_ids else kept.creator_ids || new.creator_ids end,
    events = kept.events || new.events
from unnest($1::new_aggregate[]) as new
where kept.shop_id = new.shop_id collate "C" and kept.aggregate_kind = new.aggregate_kind
  and kept.aggregate_id = new.aggregate_id collate "C"
