use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use types::{JobStatus, Usd};

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
    /// How many messages wait in the outbox.
    pub messages: u64,
}

/// What was spent on models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Calls, those that failed included.
    pub calls: u64,
    /// Tokens that models read.
    pub input_tokens: u64,
    /// Tokens that models wrote.
    pub output_tokens: u64,
    /// What that cost, as far as prices are set; none if none is.
    pub cost: Option<Usd>,
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
    let messages = db
        .prepare_cached("SELECT count(*) FROM outbox")
        .and_then(|mut count| count.query_row([], |found| found.get(0)))
        .map_err(&failed)?;
    Ok(Census { jobs, oldest_waiting: oldest.map(row::from_micros), result_bytes, messages })
}

/// Of a job that is over its usage says what it spent, of another one its session. The `LIMIT` has each
/// number read once for both sums.
pub(crate) fn spent(db: &Connection, since: Timestamp) -> Result<[Spent; 2], StoreError> {
    db.prepare_cached(
        "SELECT total(calls) FILTER (WHERE recent), total(input) FILTER (WHERE recent), \
                total(output) FILTER (WHERE recent), sum(cost) FILTER (WHERE recent), \
                total(calls), total(input), total(output), sum(cost) FROM \
         (SELECT created >= ?1 AS recent, \
                 coalesce(usage ->> 'model_calls', spend ->> 'model_calls') AS calls, \
                 coalesce(usage ->> 'input_tokens', spend ->> 'input_tokens') AS input, \
                 coalesce(usage ->> 'output_tokens', spend ->> 'output_tokens') AS output, \
                 coalesce(usage ->> 'cost_usd', spend ->> 'cost') AS cost \
          FROM jobs LIMIT -1) WHERE calls",
    )
    .and_then(|mut statement| {
        statement.query_row([row::micros(since)], |sums| Ok([sum(sums, 0)?, sum(sums, 4)?]))
    })
    .map_err(StoreError::sqlite("add up what was spent"))
}

/// What these columns, from this one on, have of it.
fn sum(sums: &Row<'_>, first: usize) -> rusqlite::Result<Spent> {
    let number = |column| sums.get::<_, f64>(first + column).map(whole);
    let cost = sums.get::<_, Option<f64>>(first + 3)?.map(Usd::from_dollars);
    Ok(Spent { calls: number(0)?, input_tokens: number(1)?, output_tokens: number(2)?, cost })
}

/// A total is a number with a point, which never overflows.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn whole(total: f64) -> u64 {
    total as u64
}
