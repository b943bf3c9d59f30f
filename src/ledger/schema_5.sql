-- The process that holds a lease, so that its leases can be released when it dies; empty for older leases.
ALTER TABLE lease ADD COLUMN owner TEXT NOT NULL DEFAULT '';
