-- One row a binding, from the event that added it until long after it ended. `added` is that event's position: rows lie
-- in the order of the log. It is of a user's, in a domain, or of a trunk that registered. How it is reached: by the `flow` that it
-- registered by, or by its `contact` since that flow is gone.
CREATE TABLE registrations (
    added        INTEGER PRIMARY KEY,
    position     INTEGER NOT NULL,
    binding      BLOB NOT NULL UNIQUE,
    registration BLOB NOT NULL,
    account      BLOB NOT NULL,
    domain       BLOB,
    trunk        BLOB,
    aor          TEXT,
    contact      TEXT,
    user_agent   TEXT,
    instance     TEXT,
    reg_id       INTEGER,
    q            INTEGER,
    transport    TEXT,
    address      TEXT,
    api          INTEGER NOT NULL,
    reach        TEXT NOT NULL,
    since        INTEGER NOT NULL,
    refreshed_at INTEGER NOT NULL,
    refreshes    INTEGER NOT NULL,
    expires_at   INTEGER,
    ended_at     INTEGER,
    cause        TEXT
);
CREATE INDEX registrations_by_account ON registrations (account, added);
CREATE INDEX registrations_online ON registrations (account, added) WHERE ended_at IS NULL;
CREATE INDEX registrations_by_domain ON registrations (domain, added);
CREATE INDEX registrations_by_aor ON registrations (aor, added) WHERE aor IS NOT NULL;
CREATE INDEX registrations_by_registration ON registrations (registration, added);

-- What happened to the bindings of an address of record: added, moved to another address or contact, removed. A refresh that
-- changes neither has no row.
CREATE TABLE registration_history (
    position     INTEGER PRIMARY KEY,
    registration BLOB NOT NULL,
    account      BLOB NOT NULL,
    binding      BLOB NOT NULL,
    at           INTEGER NOT NULL,
    what         TEXT NOT NULL,
    cause        TEXT,
    contact      TEXT,
    user_agent   TEXT,
    transport    TEXT,
    address      TEXT
);
CREATE INDEX registration_history_by_registration ON registration_history (registration, position);
