-- Times are microseconds since 1970 UTC; JSON columns hold the types of the `types` crate.
CREATE TABLE jobs (
    id               TEXT    PRIMARY KEY,
    created          INTEGER NOT NULL,
    prompt           TEXT    NOT NULL,
    spec             TEXT    NOT NULL,           -- JobSpec without its prompt
    status           TEXT    NOT NULL,
    started          INTEGER,
    completed        INTEGER,
    ending           TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    sandbox          TEXT,
    usage            TEXT,
    zip_bytes        INTEGER,
    last_seq         INTEGER NOT NULL DEFAULT 0,
    -- The agent's session.
    key_hash         BLOB,
    key_used         INTEGER NOT NULL DEFAULT 0,
    acked            INTEGER NOT NULL DEFAULT 0,
    checkpoint       TEXT,
    open_step        INTEGER,                    -- started, its end not reported
    stdout_bytes     INTEGER NOT NULL DEFAULT 0,
    stderr_bytes     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX jobs_by_age ON jobs (created);
CREATE INDEX jobs_unfinished ON jobs (created) WHERE completed IS NULL;
CREATE INDEX jobs_finished ON jobs (completed) WHERE completed IS NOT NULL;

CREATE TABLE events (
    job   TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq   INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    event TEXT    NOT NULL,
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;
