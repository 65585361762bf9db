-- Who is told what over webhooks, and what is on its way.
create table webhook (
    webhook_id bigint generated always as identity primary key,
    url text not null,
    description text,
    events text[] not null,
    -- What it is told of: kinds of subject, shops, creators; null for all.
    kinds smallint[],
    shop_ids text[],
    creator_ids text[],
    -- The shops of the key that made it, whose it is; null for an operator's.
    owner_shop_ids text[],
    -- Both sign until the old one's time is over.
    secret bytea not null,
    previous_secret bytea,
    previous_until timestamptz,
    created_at timestamptz not null,
    created_by_key_id integer,
    updated_at timestamptz not null,
    -- Why it is told nothing any more: by hand, or by the service.
    disabled_at timestamptz,
    disabled_reason text,
    -- Since when nothing arrived, how many attempts in a row failed, and until when none is made.
    failing_since timestamptz,
    failures integer not null default 0,
    paused_until timestamptz,
    -- The process that delivers, by the clock of the database.
    fence bigint not null default 0,
    lease_until timestamptz,
    constraint webhook_events_named check (cardinality(events) > 0)
);
alter table api_key
    drop constraint api_key_scopes_known,
    add constraint api_key_scopes_known check (
        cardinality(scopes) > 0 and scopes <@ array['events:write', 'events:relay', 'scores:read', 'webhooks', 'admin']);

comment on table webhook is 'Who is told what.';

-- What happened to a run. It becomes deliveries, subject after subject.
create table announcement (
    announcement_id bigint generated always as identity primary key,
    -- run.published, run.failed or run.late.
    event text not null,
    date date not null,
    run_id bigint,
    -- The run whose cards were told last: of this date's revision before, or of the date before.
    told_run_id bigint,
    -- Whether cards are told: of the newest date alone.
    has_cards boolean not null default false,
    announced_at timestamptz not null,
    -- The last subject of which deliveries are made.
    after_kind smallint not null default 0,
    after_id text collate "C" not null default '',
    finished_at timestamptz
);
create index announcement_open on announcement (announcement_id) where finished_at is null;
create unique index announcement_late on announcement (date) where event = 'run.late';
comment on table announcement is 'What happened to runs, until everybody is told.';

create table delivery (
    delivery_id bigint generated always as identity primary key,
    webhook_id bigint not null,
    -- The delivery that it repeats: both carry the same message.
    repeats bigint,
    event text not null,
    -- What it is about; kind 0 and no id for a run. Deliveries about the same go out one after another.
    subject_kind smallint not null default 0,
    subject_id text collate "C" not null default '',
    -- What it says: a card of an announcement, or the data itself.
    announcement_id bigint,
    data jsonb,
    created_at timestamptz not null,
    state text not null default 'pending',
    attempts smallint not null default 0,
    next_attempt_at timestamptz not null,
    finished_at timestamptz,
    -- Of each attempt: at, status, duration, error, the beginning of the answer.
    history jsonb not null default '[]',
    constraint delivery_state check (state in ('pending', 'delivered', 'failed')),
    constraint delivery_says_something check (num_nonnulls(announcement_id, data) = 1)
);
create index delivery_pending on delivery (webhook_id, delivery_id) where state = 'pending';
-- Read by plain scans alone, which forget what was delivered as they pass it.
create index delivery_due on delivery (webhook_id, next_attempt_at) where state = 'pending';
create index delivery_order on delivery (webhook_id, subject_kind, subject_id, delivery_id) where state = 'pending';
create index delivery_of_webhook on delivery (webhook_id, delivery_id);
create index delivery_finished on delivery (finished_at) where state <> 'pending';
comment on table delivery is 'Messages on their way to webhooks.';

-- What somebody wants to be warned of.
create table alert (
    alert_id bigint generated always as identity primary key,
    webhook_id bigint not null,
    -- One shop, the shops of a category, or all.
    shop_id text collate "C",
    category_id text collate "C",
    -- score, projected_score, or the id of a metric.
    quantity text not null,
    op text not null,
    value_millionths bigint not null,
    created_at timestamptz not null,
    created_by_key_id integer,
    constraint alert_op check (op in ('below', 'above')),
    constraint alert_of_one check (num_nonnulls(shop_id, category_id) < 2)
);
create index alert_webhook on alert (webhook_id);
comment on table alert is 'What subscribers want to be warned of.';

-- The shops that are beyond an alert: warned of once, until they are back.
create table alert_crossing (
    alert_id bigint not null,
    shop_id text collate "C" not null,
    since timestamptz not null,
    primary key (alert_id, shop_id)
);
create index alert_crossing_shop on alert_crossing (shop_id);
