-- What a job's agent made, and what the job waits for a person to do.
ALTER TABLE jobs ADD COLUMN result TEXT;        -- JobResult
ALTER TABLE jobs ADD COLUMN waiting TEXT;       -- Waiting

-- What was spent on models so far.
ALTER TABLE jobs ADD COLUMN spend TEXT;         -- Spend
