-- Who stored last in a stripe: a writer that finds its own mark, and the number that it left, knows that nobody else stored
-- in between, so that what it remembers of the stripe's events is still all that there is.

alter table stripe add column writer bigint;

comment on column stripe.writer is 'The mark of the writer that advanced the head last. null: somebody who remembers nothing.';
