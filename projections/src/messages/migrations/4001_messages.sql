-- One row a MESSAGE outside calls, from the event that offered it on. `offered` is that event's position: rows lie in the order
-- of the log. What is not known yet, or was erased, is null.
CREATE TABLE messages (
    offered      INTEGER PRIMARY KEY,
    position     INTEGER NOT NULL,
    id           BLOB NOT NULL UNIQUE,
    account      BLOB NOT NULL,
    sender       TEXT,
    recipient    TEXT,
    call_id      TEXT,
    edge         TEXT NOT NULL,
    trunk        BLOB,
    credential   BLOB,
    domain       BLOB,
    number       BLOB,
    rule         TEXT,
    reason       TEXT,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    status       INTEGER,
    target       INTEGER
);
CREATE INDEX messages_by_account ON messages (account, started_at);
CREATE INDEX messages_under_way ON messages (account, started_at) WHERE status IS NULL;
CREATE INDEX messages_by_sender ON messages (sender, started_at) WHERE sender IS NOT NULL;
CREATE INDEX messages_by_recipient ON messages (recipient, started_at) WHERE recipient IS NOT NULL;
