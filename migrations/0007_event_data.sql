-- Most events say no more than which order, session or product they are about, which their row says already.

alter table event alter column data drop not null;
comment on column event.data is
    'The data member as sent, unknown fields included; null where it names the aggregate and nothing else, in its plainest form.';
