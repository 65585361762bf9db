-- Rows of counts change a few times and grow a little; their pages need less room for it than they were given.

alter table daily_count set (fillfactor = 90);
alter table product_count set (fillfactor = 95);
