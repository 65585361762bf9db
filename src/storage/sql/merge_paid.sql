-- Adds days on which products were paid for to the two newest days that are kept of each product.
--
-- $1 kinds of subject, $2 subjects, $3 shops, $4 products, $5 the newest of the new days, $6 the one before it, if any.
-- In braces: the prefix of the tables.
insert into {prefix}product_paid as kept (subject_kind, subject_id, shop_id, product_id, last_day, previous_day)
select * from unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::date[], $6::date[])
on conflict (subject_kind, subject_id, shop_id, product_id) do update
set last_day = greatest(kept.last_day, excluded.last_day),
    -- The second newest of the four days, each day counted once.
    previous_day = case
        when excluded.last_day > kept.last_day then greatest(kept.last_day, excluded.previous_day)
        when excluded.last_day = kept.last_day then greatest(kept.previous_day, excluded.previous_day)
        else greatest(kept.previous_day, excluded.last_day)
    end
-- A row that would stay as it is is not written again.
where excluded.last_day > kept.last_day
   or greatest(nullif(excluded.last_day, kept.last_day), excluded.previous_day)
      > coalesce(kept.previous_day, '-infinity')
