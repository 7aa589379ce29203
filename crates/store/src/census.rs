use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use types::JobStatus;

use crate::{StoreError, row};

/// What the store holds, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// How many jobs are in which status; those with none are not there.
    pub jobs: Vec<(JobStatus, u64)>,
    /// When the job was accepted that is next in the queue.
    pub oldest_waiting: Option<Timestamp>,
    /// Bytes that results and logs of jobs hold.
    pub result_bytes: u64,
}

pub(crate) fn take(db: &Connection) -> Result<Census, StoreError> {
    let failed = StoreError::sqlite("count the jobs");
    let mut by_status = db
        .prepare_cached(
            "SELECT status, count(*), sum(coalesce(zip_bytes, 0) + stdout_bytes + stderr_bytes) \
             FROM jobs GROUP BY status",
        )
        .map_err(&failed)?;
    let rows = by_status
        .query_map([], |found| Ok((found.get::<_, String>(0)?, found.get(1)?, found.get(2)?)))
        .map_err(&failed)?;
    let (mut jobs, mut result_bytes) = (vec![], 0);
    for found in rows {
        let (status, count, bytes): (_, u64, u64) = found.map_err(&failed)?;
        jobs.push((row::word("(any)", "status", &status)?, count));
        result_bytes += bytes;
    }
    let oldest = db
        .prepare_cached("SELECT created FROM jobs WHERE status = 'scheduled' ORDER BY id LIMIT 1")
        .map_err(&failed)?
        .query_row([], |found| found.get(0))
        .optional()
        .map_err(&failed)?;
    Ok(Census { jobs, oldest_waiting: oldest.map(row::from_micros), result_bytes })
}
