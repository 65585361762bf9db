-- Who changed what, and more that keys can do: be bound to creators, be rotated, be asked for twice.

alter table api_key
    -- The creators whose scores the key is for. With neither shops nor creators a key is for all.
    add column creator_ids text[],
    -- The key with which it was made or revoked; null for the command line.
    add column created_by_key_id integer,
    add column revoked_by_key_id integer,
    -- The key that this one takes the place of.
    add column replaces_key_id integer,
    -- When it stops being good because another key takes its place; expires_at stays what was asked for.
    add column grace_until timestamptz,
    -- When a request last showed the key, to the minute.
    add column last_used_at timestamptz,
    -- For about a day after the key was made: SHA-256 of the Idempotency-Key and of what was asked for, and what the secret is
    -- made from together with the Idempotency-Key, so that the same request is answered the same again.
    add column idempotency_hash bytea unique,
    add column request_hash bytea,
    add column secret_salt bytea,
    add constraint api_key_creators_named check (cardinality(creator_ids) > 0),
    add constraint api_key_repeatable_whole
        check (num_nonnulls(idempotency_hash, request_hash, secret_salt) in (0, 3));

create index api_key_shops on api_key using gin (shop_ids);
create index api_key_creators on api_key using gin (creator_ids);

-- The key with which something was changed; null for the command line, and where no keys are asked for.
alter table exclusion
    add column key_id integer,
    add column revoked_by_key_id integer;
alter table run add column key_id integer;
alter table subject add column key_id integer;
alter table subject_change add column key_id integer;
