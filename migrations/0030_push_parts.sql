-- What platforms call by an id of their own, such as a parcel or a return, and the orders in it: later messages name it alone.
create table push_part (
    connector text collate "C" not null,
    shop_id text collate "C" not null,
    -- Its kind and its id, such as fulfillment/255858046.
    part text collate "C" not null,
    order_ids text[] not null,
    received_at timestamptz not null,
    constraint push_part_pkey primary key (connector, shop_id, part)
);
create index push_part_by_age on push_part (received_at);
create index push_part_of_shop on push_part (shop_id);
comment on table push_part is 'Helps to read messages of platforms; not ground truth, and forgotten after a while.';
