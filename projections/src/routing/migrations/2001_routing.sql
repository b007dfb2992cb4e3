-- What attempts took and how they went, counted by hour. An empty blob stands for "none" so that the key is whole.
CREATE TABLE routing (
    account  BLOB NOT NULL,
    hour     INTEGER NOT NULL,
    number   BLOB NOT NULL,
    inbound  BLOB NOT NULL,
    trunk    BLOB NOT NULL,
    rule     TEXT NOT NULL,
    target   INTEGER NOT NULL,
    outcome  TEXT NOT NULL,
    status   INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (account, hour, number, inbound, trunk, rule, target, outcome, status)
) WITHOUT ROWID;
