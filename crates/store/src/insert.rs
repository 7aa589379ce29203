//! A new job, once for every request.

use rusqlite::{Connection, OptionalExtension, params};
use types::JobStatus;

use crate::writer::Inner;
use crate::{Inserted, NewJob, RequestKey, StoreError, row};

/// What fails when a job cannot be inserted.
const KEEP: &str = "keep a job";

impl Inner {
    pub(crate) fn insert(&mut self, new: NewJob) -> Result<Inserted, StoreError> {
        if let Some(key) = &new.key
            && let Some(found) = by_key(&self.db, key)?
        {
            return Ok(found);
        }
        let NewJob { id, created, mut spec, first, key } = new;
        let name = id.to_string();
        let prompt = std::mem::take(&mut spec.prompt);
        let text = row::to_json(&name, &spec)?;
        let (key, print) = key.map(|key| (key.key, key.fingerprint)).unzip();
        let (status, created_at) = (JobStatus::Scheduled.as_str(), row::micros(created));
        let sql = "INSERT INTO jobs (id, created, title, status, request_key, fingerprint) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.execute(KEEP, sql, params![name, created_at, spec.title, status, key, print])?;
        let sql = "INSERT INTO specs (job, prompt, spec) VALUES (?1, ?2, ?3)";
        self.execute(KEEP, sql, params![name, prompt, text])?;
        self.update(id, |draft| draft.append(created, first))?;
        Ok(Inserted::New)
    }
}

/// The job that was made from the request of this name.
pub(crate) fn by_key(db: &Connection, key: &RequestKey) -> Result<Option<Inserted>, StoreError> {
    let failed = StoreError::sqlite("look for a request");
    let sql = "SELECT id, fingerprint FROM jobs WHERE request_key = ?1";
    let mut statement = db.prepare_cached(sql).map_err(&failed)?;
    let found = statement
        .query_row([&key.key], |row| Ok((row.get::<_, String>(0)?, row.get::<_, [u8; 32]>(1)?)))
        .optional()
        .map_err(&failed)?;
    let known = |(id, print): (String, _)| {
        let job = row::id(&id)?;
        Ok(if print == key.fingerprint { Inserted::Before(job) } else { Inserted::Other(job) })
    };
    found.map(known).transpose()
}
