-- The key under which cursors are signed: what a cursor says is believed only if a process of this database wrote it.
create table cursor_secret (
    only_row boolean primary key default true check (only_row),
    secret bytea not null
);
comment on table cursor_secret is 'One row: 32 bytes, of which 244 bits are random.';

insert into cursor_secret (secret)
values (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));
