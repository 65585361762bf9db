-- Sums that slide: what every subject counts for on the settled days of the windows of one score date. A run slides them to
-- its own date instead of adding up all days anew. Derived, like the counts that they are sums of.

alter table stripe add column settled_day date;
-- Writers of versions that know nothing of late_count must not write any more; this is the name that they ask for.
alter table stripe rename column exclusions to exclusions_made;

comment on column stripe.settled_day is
    'The newest settled day: who adds to counts of this day or an earlier one also appends to late_count. null: no run has asked for sums yet. Only ever raised, in all rows at once.';

-- What was added to the counts of settled days, kept until sums are kept that include it. Rows are only inserted, and deleted
-- all up to a number.
create table late_count (
    -- The transaction that added it: one of the stripes that it held, and the number under which it stored there.
    stripe smallint not null,
    seq bigint not null,
    subject_kind smallint not null,
    subject_id text collate "C" not null,
    day date not null,
    -- null adds nothing.
    signed_orders bigint,
    reviews bigint,
    product_stars bigint,
    bad_reviews_1 bigint,
    bad_reviews_2 bigint,
    bad_reviews_3 bigint,
    service_reviews bigint,
    bad_service_reviews_1 bigint,
    bad_service_reviews_2 bigint,
    bad_service_reviews_3 bigint,
    negative_orders_1 bigint,
    negative_orders_2 bigint,
    negative_orders_3 bigint,
    delivered_orders bigint,
    delivery_seconds bigint,
    paid_orders bigint,
    quality_returns bigint,
    logistics_returns bigint,
    complaints bigint,
    picked_up_orders bigint,
    pickup_marks bigint,
    refund_only_cases bigint,
    refund_only_wait_seconds bigint,
    return_refund_cases bigint,
    return_refund_wait_seconds bigint,
    merchant_liable_cases bigint,
    daytime_sessions bigint,
    quick_replies bigint,
    rated_sessions bigint,
    dissatisfied_sessions bigint
);

-- What the kept sums stand for. Whoever replaces them holds this row.
create table settled_sum_head (
    only_row boolean primary key default true,
    -- The score date of the windows. null: no sums are kept.
    date date,
    -- The newest day that is summed; of each window the days up to it.
    settled_day date,
    -- The kinds of subjects with the windows and measures that are summed, in their order.
    plan text,
    -- The heads of all stripes, by stripe, whose counts the sums include; late_count has nothing older. Without sums: the
    -- heads that sums must know to be kept. null: there never were any.
    heads bigint[],
    constraint settled_sum_head_only_row check (only_row),
    constraint settled_sum_head_whole check (
        num_nonnulls(date, settled_day, plan) in (0, 3) and (date is null or heads is not null)
    )
);

insert into settled_sum_head default values;

-- The kept sums, some subjects to a row.
create table settled_sum (
    subject_kind smallint not null,
    -- From 0 for each kind.
    chunk integer not null,
    -- Ids and their sums in the order of the plan; packed, written and read by the service's codec. Who is in no chunk has
    -- none.
    sums bytea not null,
    constraint settled_sum_pkey primary key (subject_kind, chunk)
);

alter table settled_sum alter column sums set storage external;

-- Counts are written day by day, so the rows of a day lie close together, and the blocks that have some are found by a few
-- numbers; a block with a late row or two is not read for all the days between. The day of a row never changes, so updates in
-- place stay possible.
create index daily_count_day on daily_count using brin (day date_minmax_multi_ops)
    with (pages_per_range = 32, autosummarize = on);
