-- The trunk that registered; its `domain` is zeros then.
ALTER TABLE registrations ADD COLUMN trunk BLOB;
