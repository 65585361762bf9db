-- A run also computes the cards under the rules of the run before it where they are no longer in force. They are the last of
-- rule_sets, and serve only to tell what the new rules changed.
alter table run add column bridges smallint not null default 0 check (bridges >= 0);
comment on column run.bridges is
    'How many of the last entries of rule_sets are rules of an earlier run that were no longer in force.';
