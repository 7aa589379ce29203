-- A status change rewrites its row, and a list reads it: what is large and never changes lies apart.
CREATE TABLE specs (
    job    TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    prompt TEXT NOT NULL,
    spec   TEXT NOT NULL                        -- JobSpec without its prompt
) STRICT;
INSERT INTO specs SELECT id, prompt, spec FROM jobs;

ALTER TABLE jobs ADD COLUMN title TEXT NOT NULL DEFAULT '';
UPDATE jobs SET title = coalesce(spec ->> 'title', '');
ALTER TABLE jobs DROP COLUMN prompt;
ALTER TABLE jobs DROP COLUMN spec;

-- What a client named its request, and what it asked for then (SHA-256).
ALTER TABLE jobs ADD COLUMN request_key TEXT;
ALTER TABLE jobs ADD COLUMN fingerprint BLOB;
CREATE UNIQUE INDEX jobs_by_key ON jobs (request_key) WHERE request_key IS NOT NULL;

-- How the agent said its work went: kept before its sandbox is stopped.
ALTER TABLE jobs ADD COLUMN verdict TEXT;       -- Ending

-- What went through the job's proxy, in bytes.
ALTER TABLE jobs ADD COLUMN sent_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN received_bytes INTEGER NOT NULL DEFAULT 0;

-- Lists go by id, newest first: a UUIDv7 begins with its time.
CREATE INDEX jobs_by_status ON jobs (status, id);
DROP INDEX jobs_by_age;
DROP INDEX jobs_unfinished;
CREATE INDEX jobs_unfinished ON jobs (id) WHERE completed IS NULL;
