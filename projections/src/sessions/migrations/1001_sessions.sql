-- One row a session that ended. `offered` is the log position of its SessionOffered: rows lie in the order of the log, and an
-- update finds its row without an index. It came from a trunk, or from a user with a `credential`.
CREATE TABLE sessions (
    offered      INTEGER PRIMARY KEY,
    position     INTEGER NOT NULL,
    id           BLOB NOT NULL,
    account      BLOB NOT NULL,
    caller       TEXT,
    called       TEXT,
    call_id      TEXT,
    trunk        BLOB,
    credential   BLOB,
    number       BLOB,
    rule         TEXT,
    started_at   INTEGER NOT NULL,
    ringing_at   INTEGER,
    answered_at  INTEGER,
    ended_at     INTEGER NOT NULL,
    end_cause    TEXT,
    final_status INTEGER,
    mode         TEXT
);
CREATE INDEX sessions_by_id ON sessions (id);
CREATE INDEX sessions_by_account ON sessions (account, started_at);
CREATE INDEX sessions_by_caller ON sessions (caller, started_at) WHERE caller IS NOT NULL;
CREATE INDEX sessions_by_called ON sessions (called, started_at) WHERE called IS NOT NULL;
CREATE INDEX sessions_by_call_id ON sessions (call_id) WHERE call_id IS NOT NULL;
