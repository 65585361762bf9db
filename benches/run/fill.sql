-- Fills an empty database with a market of counts, without events.
--
-- psql variables: shops, creators, days (the days before the score date), scale (1: small shops of 5 to 19 orders a
-- day), date (the score date, which is the last day with counts).
--
-- Rows are written day by day, as life writes them, and get their primary keys afterwards, which saves time only.

set work_mem = '256MB';
set maintenance_work_mem = '512MB';

create temporary table put_aside as
select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop_it,
       format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as add_it
from pg_constraint
where contype = 'p' and conrelid in ('daily_count'::regclass, 'product_count'::regclass, 'product_paid'::regclass);

select drop_it from put_aside \gexec

-- A share of `total` in 256ths, rounded by chance: the low 8 bits of `draw`. Never more than `total`.
create function pg_temp.share(total bigint, of_256 bigint, draw bigint) returns bigint language sql immutable
    return (total * of_256 + (draw & 255)) / 256;

-- What kind of subject somebody is: `fault` from 0 to 15, `orders` from 5 to 12 a day at the least.
create temporary table market as
select subject_kind, subject_id, number, seed,
       hashint8extended(seed, 5) & 15 as fault, 5 + (hashint8extended(seed, 6) & 7) as orders
from (
    select 1::smallint as subject_kind, 'shop-' || lpad(number::text, 6, '0') collate "C" as subject_id,
           number, number::bigint as seed
    from generate_series(1, :shops) as number
    union all
    select 2::smallint, 'creator-' || lpad(number::text, 6, '0') collate "C", number, 1000000000 + number::bigint
    from generate_series(1, :creators) as number
) as known;

analyze market;

\warn '  subjects:' :shops 'shops,' :creators 'creators'

-- Known from a day far ahead on: so the daily slot owes no run of its own, which would disturb what is measured.
insert into subject (subject_kind, subject_id, category_id, registered_at, updated_at)
select subject_kind, subject_id,
       case when number % 20 <> 0 then 'category-' || lpad(abs(hashint8extended(seed, 7) % 50)::text, 2, '0') end,
       '2100-01-01', '2100-01-01'
from market;

\warn '  daily counts:' :days 'days and the score date'

insert into daily_count (
    day, subject_kind, subject_id, signed_orders, reviews, product_stars, bad_reviews_1, bad_reviews_2, bad_reviews_3,
    service_reviews, bad_service_reviews_1, bad_service_reviews_2, bad_service_reviews_3,
    negative_orders_1, negative_orders_2, negative_orders_3, delivered_orders, delivery_seconds,
    paid_orders, quality_returns, logistics_returns, complaints, picked_up_orders, pickup_marks,
    refund_only_cases, refund_only_wait_seconds, return_refund_cases, return_refund_wait_seconds,
    merchant_liable_cases, daytime_sessions, quick_replies, rated_sessions, dissatisfied_sessions,
    first_quality_returns, pickup_seconds, promised_orders, on_time_orders, breakage_returns, refunded_cases,
    aftersale_review_seconds, reply_rounds, reply_seconds, opened_cases, platform_cases)
select day, subject_kind, subject_id, signed, nullif(reviews, 0),
       nullif(5 * reviews - bad_1 - bad_2 - 2 * bad_3 - pg_temp.share(reviews - bad_3, 60, a), 0),
       nullif(bad_1, 0), nullif(bad_2, 0), nullif(bad_3, 0),
       nullif(service_reviews, 0),
       nullif(pg_temp.share(pg_temp.share(bad_service_3, 192, c >> 16), 128, c >> 24), 0),
       nullif(pg_temp.share(bad_service_3, 192, c >> 16), 0), nullif(bad_service_3, 0),
       nullif(least(signed, bad_1 + otherwise_negative), 0), nullif(least(signed, bad_2 + otherwise_negative), 0),
       nullif(least(signed, bad_3 + otherwise_negative), 0),
       nullif(delivered, 0), nullif(delivered * (80000 + fault * 8000 + (b & 65535)), 0),
       paid, nullif(quality_returns, 0), nullif(logistics_returns, 0), nullif(complaints, 0),
       picked_up, 70 * picked_up - 50 * pg_temp.share(picked_up, 8 + 4 * fault, b >> 32),
       nullif(refund_only, 0), nullif(refund_only * (20000 + fault * 4000 + (c & 65535)), 0),
       nullif(return_refund, 0), nullif(return_refund * (40000 + fault * 8000 + (c >> 16 & 65535)), 0),
       nullif(pg_temp.share(refund_only + return_refund, 2 * fault, c >> 32), 0),
       nullif(sessions, 0), nullif(pg_temp.share(sessions, 250 - 8 * fault, b >> 40), 0),
       nullif(rated, 0), nullif(pg_temp.share(rated, 10 + 4 * fault, c >> 40), 0),
       nullif(quality_returns, 0), nullif(picked_up * (20000 + fault * 4000 + (a & 65535)), 0),
       signed, nullif(pg_temp.share(signed, 252 - 4 * fault, a >> 57), 0), nullif(logistics_returns, 0),
       nullif(refund_only + return_refund, 0),
       nullif((refund_only + return_refund) * (15000 + fault * 3000 + (a >> 16 & 65535)), 0),
       nullif(2 * sessions, 0), nullif(2 * sessions * (20 + fault * 4 + (b & 31)), 0),
       nullif(refund_only + return_refund, 0),
       nullif(pg_temp.share(refund_only + return_refund, 1 + fault / 4, b >> 57), 0)
from (
    select *, pg_temp.share(bad_3, 192, c) as bad_2,
           pg_temp.share(pg_temp.share(bad_3, 192, c), 128, c >> 8) as bad_1,
           pg_temp.share(service_reviews, 4 + 2 * fault, b >> 24) as bad_service_3,
           pg_temp.share(signed, 2 + 2 * fault, c >> 48) as otherwise_negative,
           pg_temp.share(sessions, 80, b >> 48) as rated
    from (
        select *, pg_temp.share(reviews, 4 + 2 * fault, b >> 16) as bad_3,
               pg_temp.share(reviews, 192, b >> 8) as service_reviews
        from (
            select *, pg_temp.share(signed, 90, a >> 9) as reviews, signed - pg_temp.share(1, 16, a >> 17) as delivered,
                   pg_temp.share(paid, 1 + fault, a >> 25) as quality_returns,
                   pg_temp.share(paid, fault & 3, a >> 33) as logistics_returns,
                   pg_temp.share(paid, 1 + fault / 4, a >> 41) as complaints,
                   pg_temp.share(paid, 8, a >> 49) as refund_only,
                   pg_temp.share(paid, 12, b) as return_refund,
                   pg_temp.share(paid, 64, b >> 56) as sessions
            from (
                -- The lateral query makes the day the outer loop.
                select :'date'::date - age as day, drawn.*
                from generate_series(:days, 0, -1) as age
                cross join lateral (
                    select subject_kind, subject_id, fault, a, b, c,
                           (orders + (a & 7)) * :scale as paid, (orders + (a >> 3 & 7)) * :scale as signed,
                           (orders + (a >> 6 & 7)) * :scale as picked_up
                    from (
                        select *, hashint8extended(seed * 1000 + age, 1) as a,
                               hashint8extended(seed * 1000 + age, 2) as b,
                               hashint8extended(seed * 1000 + age, 3) as c
                        from market offset 0
                    ) as day_of_market
                ) as drawn
            ) as of_day
        ) as parts
        -- Keeps what was computed so far from being computed again wherever it is used.
        offset 0
    ) as reviewed
) as counted;

\warn '  product counts'

-- Each day's counts over two products of a shop (and one of a creator) times the scale: orders in equal parts, reviews
-- in a row from the worst to the best, of which every product takes a stretch. So the parts add up to the day.
insert into product_count (
    day, subject_kind, subject_id, shop_id, product_id, paid_orders, signed_orders, reviews, product_stars,
    bad_reviews_1, bad_reviews_2, bad_reviews_3, quality_returns, complaints)
select day, subject_kind, subject_id, shop_id, 'p-' || product,
       -- One product in 128 was not paid for lately, so that it does not qualify for the product base score.
       case when day <= :'date'::date - 92 or hashtextextended(shop_id, product) & 127 <> 0
            then nullif(paid * (slot + 1) / slots - paid * slot / slots, 0) end,
       nullif(signed * (slot + 1) / slots - signed * slot / slots, 0),
       nullif(stretch_to - stretch_from, 0),
       nullif(5 * (stretch_to - stretch_from)
              - (least(bad_1, stretch_to) - least(bad_1, stretch_from))
              - (least(bad_2, stretch_to) - least(bad_2, stretch_from))
              - (least(bad_3, stretch_to) - least(bad_3, stretch_from))
              - (least(not_best, stretch_to) - least(not_best, stretch_from)), 0),
       nullif(least(bad_1, stretch_to) - least(bad_1, stretch_from), 0),
       nullif(least(bad_2, stretch_to) - least(bad_2, stretch_from), 0),
       nullif(least(bad_3, stretch_to) - least(bad_3, stretch_from), 0),
       case slot when 0 then quality_returns end, case slot when 0 then complaints end
from (
    select kept.day, kept.subject_kind, kept.subject_id, kept.slot, kept.slots, kept.paid, kept.signed,
           kept.quality_returns, kept.complaints, kept.bad_1, kept.bad_2, kept.bad_3,
           5 * kept.reviews - kept.bad_1 - kept.bad_2 - kept.bad_3 - kept.stars as not_best,
           kept.reviews * kept.slot / kept.slots as stretch_from,
           kept.reviews * (kept.slot + 1) / kept.slots as stretch_to,
           1 + ((kept.draw & 1023) + kept.slot * 7) % 20 as product,
           case when kept.subject_kind = 1 then kept.subject_id
                else 'shop-' || lpad((1 + (kept.draw >> 10 & 1048575) % :shops)::text, 6, '0') collate "C" end
               as shop_id
    from (
        select day, subject_kind, subject_id, slot, slots, paid_orders as paid, signed_orders as signed,
               quality_returns, complaints, coalesce(reviews, 0) as reviews, coalesce(product_stars, 0) as stars,
               coalesce(bad_reviews_1, 0) as bad_1, coalesce(bad_reviews_2, 0) as bad_2,
               coalesce(bad_reviews_3, 0) as bad_3, hashtextextended(subject_id, day - date '2000-01-01') as draw
        from (select *, case subject_kind when 1 then 2 else 1 end * :scale as slots from daily_count) as day_of_subject
        cross join lateral generate_series(0, slots - 1) as slot
        offset 0
    ) as kept
    offset 0
) as part;

-- Of the 20 products of a shop about 5 in 100 are off the shelf, and some were off for a week and came back.
insert into product_off_shelf (shop_id, product_id, from_day, until_day)
select shop_id, 'p-' || product, :'date'::date - age, case when quirk > 6 then :'date'::date - age + 7 end
from (
    select subject_id as shop_id, product, hashtextextended(subject_id, product) & 127 as quirk,
           10 + (hashtextextended(subject_id, product) >> 8 & 63)::integer as age
    from market cross join generate_series(1, 20) as product
    where subject_kind = 1
) as product
where quirk between 1 and 8;

\warn '  primary keys'

select add_it from put_aside \gexec

analyze product_count;

\warn '  the newest days of every product'

insert into product_paid (last_day, previous_day, subject_kind, subject_id, shop_id, product_id)
select max(day), (array_agg(day order by day desc))[2], subject_kind, subject_id, shop_id, product_id
from product_count where paid_orders > 0 group by subject_kind, subject_id, shop_id, product_id;

\warn '  vacuum and checkpoint'

vacuum (analyze) subject, daily_count, product_count, product_off_shelf, product_paid;
checkpoint;
