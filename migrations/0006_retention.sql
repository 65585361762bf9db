-- What is not kept for ever: full cards, and events where the operator wants it so.

create table retention (
    only_row boolean primary key default true,
    -- The last business day on which a process took the removal upon itself.
    swept_on date,
    -- Counts of days before this one may lack what was removed. null: no event was ever removed.
    whole_from date,
    constraint retention_only_row check (only_row)
);

insert into retention default values;
