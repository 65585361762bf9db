-- Stripes by another hash: ids that count up filled a few of them only. Every head becomes the highest of all, so whoever
-- knows the new heads knows all that was stored under old ones. A run keeps by which hash its heads stand, and the time zone
-- whose days it counted.
-- First the locks, alone: only a later statement sees what the writers committed that this one waited for.
select stripe from stripe order by stripe for update;
update stripe
set head = before.head, exclusions_made = before.exclusions_made, settled_day = before.settled_day, writer = null
from (select max(head) as head, max(exclusions_made) as exclusions_made, max(settled_day) as settled_day from stripe) as before;
-- Processes of an older version compare this text whenever they write, and so they stop.
update counting set measures = measures || '; stripes: 2';
alter table run add column striping smallint not null default 1;
comment on column run.striping is
    'By which hash of a shop''s id heads stand: 1 bits 32 to 37 of FNV-1a, 2 the lowest bits of XXH3 (64 bits).';
alter table run add column time_zone text;
comment on column run.time_zone is 'Whose days the run counted. null: not published, or by an older version: those of the counts.';
update run set time_zone = counting.time_zone from counting where run.state = 'published';
