-- A product's counts of a day change less often than a subject's, so their pages need less room for it.

alter table product_count set (fillfactor = 95);
