-- What counts up with publications and changes of keys tells how fresh a process's memory is; "turnover" means revenue.

alter table turnover rename to freshness;
alter table freshness rename constraint turnover_only_row to freshness_only_row;
alter index turnover_pkey rename to freshness_pkey;
