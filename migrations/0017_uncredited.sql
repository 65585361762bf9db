-- A key bound to shops, without events:relay, cannot credit creators as it likes: what it names is kept in data, and credits
-- nobody. Events that are stored already stay as they are.
alter table event add column uncredited boolean;
comment on column event.uncredited is 'Whether the creator that data names is not credited; null for no.';
alter type new_event add attribute uncredited boolean;
