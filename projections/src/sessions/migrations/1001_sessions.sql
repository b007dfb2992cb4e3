CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;

-- One row a session. `offered` is the log position of its SessionOffered: rows lie in the order of the log, and an
-- update finds its row without an index.
CREATE TABLE sessions (
    offered      INTEGER PRIMARY KEY,
    position     INTEGER NOT NULL,
    id           BLOB NOT NULL,
    account      BLOB NOT NULL,
    caller       TEXT,
    called       TEXT,
    call_id      TEXT,
    trunk        BLOB NOT NULL,
    number       BLOB,
    rule         TEXT,
    state        INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    ringing_at   INTEGER,
    answered_at  INTEGER,
    ended_at     INTEGER,
    end_cause    TEXT,
    final_status INTEGER,
    mode         TEXT
);
CREATE INDEX sessions_by_id ON sessions (id);
CREATE INDEX sessions_by_account ON sessions (account, started_at);
CREATE INDEX sessions_by_caller ON sessions (caller, started_at) WHERE caller IS NOT NULL;
CREATE INDEX sessions_by_called ON sessions (called, started_at) WHERE called IS NOT NULL;
CREATE INDEX sessions_by_call_id ON sessions (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX sessions_live ON sessions (account, started_at) WHERE state < 3;
