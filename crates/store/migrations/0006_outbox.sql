-- What is still to be told of jobs. Not bound to them: of a job that is forgotten it is told all the same.
CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY,                -- in the order in which it happened
    job     TEXT    NOT NULL,
    seq     INTEGER NOT NULL,                   -- the job's newest event then
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    summary TEXT    NOT NULL,                   -- JobSummary as it was then
    tries   INTEGER NOT NULL DEFAULT 0,
    due     INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_by_job ON outbox (job, id);
CREATE INDEX outbox_by_due ON outbox (due, id);
