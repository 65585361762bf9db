-- The views for analysts. In braces: words of numbers, and the columns of measures.
create schema if not exists bi;

-- Whoever reads events finds what the function names, whatever the reader's search path is.
do $$ begin
    execute format('alter function unpacked_events(bytea) set search_path = %I, pg_temp', current_schema);
end $$;

-- What others built on them goes with them, else an upgrade would end here.
drop view if exists bi.penalty, bi.metric, bi.score, bi.run, bi.daily_count, bi.subject, bi.event cascade;

create view bi.run as
select run_id, date, revision, state, trigger, late, reason, requested_at, started_at, published_at,
       revision is not null and not exists (
           select from run as later where later.date = run.date and later.revision > run.revision) as is_newest
from run;
comment on view bi.run is 'Runs: one row each. is_newest: the newest published revision of its date.';

create view bi.subject as
select {kind of subject_kind} as kind, subject_id as id, name, category_id, registered_at
from subject;
comment on view bi.subject is 'Registered shops and creators, as they are registered now.';

create view bi.score as
with published as materialized (select run_id, date, revision, is_newest from bi.run where state = 'published')
select date, revision, is_newest, rules.rule_set_id as rule_set, {kind of rules.subject_kind} as kind, score.subject_id as id,
       score.category_id,
       case when score.growth then 'growth' when score_hundredths is null then 'insufficient_volume' else 'scored' end as status,
       (score_hundredths / 100.0)::numeric(9, 2) as score, tier_level, signed_orders
from published join score using (run_id) join bi_rule_set as rules on rules.version_no = score.rule_set;
comment on view bi.score is 'Published scores: one row a subject, date, revision and rule set.';

create view bi.penalty as
with published as materialized (select run_id, date, revision, is_newest from bi.run where state = 'published')
select date, revision, is_newest, rules.rule_set_id as rule_set, {kind of rules.subject_kind} as kind, score.subject_id as id,
       penalty.code, penalty.title_en, penalty.title_zh, penalty.below, penalty.dimension
from published join score using (run_id) join bi_rule_set as rules on rules.version_no = score.rule_set
join bi_penalty as penalty on penalty.version_no = score.rule_set
where score_hundredths is not null
  and case when penalty.dimension is null then score_hundredths < penalty.below * 100
           else (coalesce(dimension_penalties, 0) >> penalty.row_no) & 1 = 1 end;
comment on view bi.penalty is 'Penalties in force for published scores.';

create view bi.metric as
with published as materialized (
    select run_id, date, revision, is_newest from bi.run where run_id in (select run_id from bi_unpacked))
select date, revision, is_newest, rules.rule_set_id as rule_set, {kind of rules.subject_kind} as kind, subject_id as id, category_id,
       dimension, metric, numerator, denominator, value, points, basis, peers, better_peers
from published join bi_metric using (run_id) join bi_rule_set as rules on rules.version_no = bi_metric.rule_set;
comment on view bi.metric is 'Metrics of published scores, of the dates that are unpacked (--bi-days, shopscore bi unpack).';

create view bi.daily_count as
select day, {kind of subject_kind} as kind, subject_id as id, {measures}
from daily_count;
comment on view bi.daily_count is 'What each subject counts for on each business day, now: a column a measure.';

create view bi.event as
select time, received_at, {aggregate} as aggregate_kind, {event type} as type, shop_id, aggregate_id, event_id, data, uncredited
from event;
comment on view bi.event is 'Events, unpacked as they are read: name the shop, or expect to wait.';
