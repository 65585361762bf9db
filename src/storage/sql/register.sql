-- Changes registered subjects, and notes each change in the ledger and, where anything is other than before, in the audit trail.
--
-- $1 kinds of subject, $2 subjects, $3 whether a name is given, $4 names, $5 whether a category is given, $6 categories,
-- $7 the numbers of the stripes' heads, $8 now, $9 the key with which they are changed, $10 whether each is new, $11 the actor.
with new as (
    select * from unnest($1::smallint[], $2::text[], $3::boolean[], $4::text[], $5::boolean[], $6::text[], $7::bigint[], $10::boolean[])
        as new (kind, id, has_name, name, has_category, category_id, seq, is_new)
),
changed as (
    -- What is not given stays as it was.
    update subject set
        name = case when new.has_name then new.name else subject.name end,
        category_id = case when new.has_category then new.category_id else subject.category_id end,
        updated_at = $8,
        key_id = $9
    from new
    where subject.subject_kind = new.kind and subject.subject_id = new.id collate "C"
    returning subject.subject_kind, subject.subject_id, subject.name, subject.category_id, new.seq, new.is_new
),
noted as (
    insert into audit_entry (at, actor, key_id, key_name, action, subject_kind, subject_id, before, after)
    select $8, $11, $9, (select name from api_key where api_key.key_id = $9),
           case when changed.is_new then 'subject.registered' else 'subject.changed' end,
           changed.subject_kind, changed.subject_id,
           case when not changed.is_new then jsonb_build_object('name', old.name, 'category_id', old.category_id) end,
           jsonb_build_object('name', changed.name, 'category_id', changed.category_id)
    from changed
    -- As the statement finds it.
    join subject as old on old.subject_kind = changed.subject_kind and old.subject_id = changed.subject_id
    where changed.is_new
       or (old.name, old.category_id) is distinct from (changed.name, changed.category_id)
    order by changed.subject_kind, changed.subject_id
)
insert into subject_change (subject_kind, subject_id, seq, changed_at, name, category_id, key_id)
select subject_kind, subject_id, seq, $8, name, category_id, $9 from changed
