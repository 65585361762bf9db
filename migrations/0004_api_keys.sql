-- API keys, and the marks by which processes see that what they keep in memory has changed.

create table api_key (
    key_id integer generated always as identity primary key,
    -- The public part of the key, by which it is found and named.
    prefix text collate "C" not null unique,
    -- SHA-256 of the whole key, which is random; the key itself is kept nowhere.
    key_hash bytea not null,
    name text,
    scopes text[] not null,
    -- The shops whose facts and scores the key is for; null for all.
    shop_ids text[],
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    constraint api_key_hash_length check (octet_length(key_hash) = 32),
    constraint api_key_scopes_known
        check (cardinality(scopes) > 0 and scopes <@ array['events:write', 'events:relay', 'scores:read', 'admin']),
    constraint api_key_shops_named check (cardinality(shop_ids) > 0)
);

-- Counts up in the transaction that publishes a run, or makes or revokes a key.
create table turnover (
    only_row boolean primary key default true,
    publications bigint not null default 0,
    keys bigint not null default 0,
    constraint turnover_only_row check (only_row)
);

insert into turnover default values;
