-- Users of domains call too: the credential of the one who did. `trunk` is empty then.
ALTER TABLE sessions ADD COLUMN user BLOB;
