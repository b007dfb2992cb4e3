-- The last event that the rows were made of: a log that does not hold it is another one.
ALTER TABLE about ADD COLUMN last_stream TEXT;
ALTER TABLE about ADD COLUMN last_revision INTEGER;
ALTER TABLE about ADD COLUMN last_hash TEXT;
