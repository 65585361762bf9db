-- Changes registered subjects, and notes each change in the ledger.
--
-- $1 kinds of subject, $2 subjects, $3 whether a name is given, $4 names, $5 whether a category is given, $6 categories,
-- $7 the numbers of the stripes' heads, $8 now, $9 the key with which they are changed.
with changed as (
    -- What is not given stays as it was.
    update subject set
        name = case when new.has_name then new.name else subject.name end,
        category_id = case when new.has_category then new.category_id else subject.category_id end,
        updated_at = $8,
        key_id = $9
    from unnest($1::smallint[], $2::text[], $3::boolean[], $4::text[], $5::boolean[], $6::text[], $7::bigint[])
        as new (kind, id, has_name, name, has_category, category_id, seq)
    where subject.subject_kind = new.kind and subject.subject_id = new.id collate "C"
    returning subject.subject_kind, subject.subject_id, subject.name, subject.category_id, new.seq
)
insert into subject_change (subject_kind, subject_id, seq, changed_at, name, category_id, key_id)
select subject_kind, subject_id, seq, $8, name, category_id, $9 from changed
