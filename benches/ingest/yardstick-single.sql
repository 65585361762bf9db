\set order random(1, 1000000000)
\set shop random(1, 2000)
insert into yardstick values ('2026-11-01T10:00:00+08:00', '2026-11-01T10:00:01+08:00', 1, null, 1, 4, 'shop-' || :shop, 'order-' || :order, 'event-' || :order || '-' || :client_id, '{"order_id":"4900000000001"}') on conflict do nothing;
