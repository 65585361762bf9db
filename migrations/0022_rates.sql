-- What a key may send in a second: null as the service says, 0 without a bound.
alter table api_key
    add column events_per_second integer check (events_per_second >= 0),
    add column requests_per_second integer check (requests_per_second >= 0);
