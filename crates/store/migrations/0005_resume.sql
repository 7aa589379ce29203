-- Whether the workspace of a job that broke off waits for somebody who resumes it.
ALTER TABLE jobs ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
CREATE INDEX jobs_kept ON jobs (completed) WHERE kept;

-- The job after which this one goes on: one has the workspace.
ALTER TABLE jobs ADD COLUMN resumes TEXT;
CREATE UNIQUE INDEX jobs_by_resumed ON jobs (resumes) WHERE resumes IS NOT NULL;
