-- Whose an uplink is: only its first event says it.
CREATE TABLE uplinks (
    id      BLOB PRIMARY KEY,
    trunk   BLOB NOT NULL,
    account BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX uplinks_by_trunk ON uplinks (trunk);

-- What happened to our registration at a trunk and to its health. A refresh has a row only where the attempt before it was
-- refused.
CREATE TABLE trunk_history (
    position INTEGER PRIMARY KEY,
    trunk    BLOB NOT NULL,
    uplink   BLOB NOT NULL,
    at       INTEGER NOT NULL,
    what     TEXT NOT NULL,
    reason   TEXT,
    status   INTEGER,
    expires  INTEGER,
    until    INTEGER,
    again    INTEGER
);
CREATE INDEX trunk_history_by_trunk ON trunk_history (trunk, position);
CREATE INDEX trunk_history_by_uplink ON trunk_history (uplink, position);
