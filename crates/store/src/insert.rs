//! A new job, once for every request.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use types::{EventKind, JobId, JobSpec, JobStatus, Speaker};

use crate::writer::Inner;
use crate::{StoreError, read, row};

/// What fails when a job cannot be inserted.
const KEEP: &str = "keep a job";

/// A job to be kept.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// When it was accepted.
    pub created: Timestamp,
    /// What is to be done.
    pub spec: JobSpec,
    /// Its first event.
    pub first: EventKind,
    /// What its client named the request, if it did.
    pub key: Option<RequestKey>,
}

/// A client's name of a request, by which a repeat is known. Kept as long as the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The name.
    pub key: String,
    /// SHA-256 of what was asked for.
    pub fingerprint: [u8; 32],
}

/// What became of a new job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is kept.
    New,
    /// The same request was kept before, as this job; nothing was kept now.
    Before(JobId),
    /// Another request of that name was kept before, as this job; nothing was kept now.
    Other(JobId),
    /// It is to go on after this job, whose workspace is not kept; nothing was kept now.
    NotKept(JobId),
}

/// What became of the wish to give up the workspace that an ended job left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// None is kept any more, and nobody can go on in it.
    Yes,
    /// There was none.
    NotKept,
    /// This job, which is not over, is to go on in it; it stays.
    Claimed(JobId),
}

impl Inner {
    pub(crate) fn insert(&mut self, new: NewJob) -> Result<Inserted, StoreError> {
        if let Some(key) = &new.key
            && let Some(found) = by_key(&self.db, key)?
        {
            return Ok(found);
        }
        let resumed = new.spec.resumes.map(|resumes| resumes.job);
        if let Some(resumed) = resumed
            && let Some(found) = self.claimed(resumed)?
        {
            return Ok(found);
        }
        let NewJob { id, created, mut spec, first, key } = new;
        let name = id.to_string();
        let prompt = std::mem::take(&mut spec.prompt);
        let text = row::to_json(&name, &spec)?;
        let (key, print) = key.map(|key| (key.key, key.fingerprint)).unzip();
        let (status, created_at) = (JobStatus::Scheduled.as_str(), row::micros(created));
        let resumed_name = resumed.map(|job| job.to_string());
        let sql = "INSERT INTO jobs \
                   (id, created, title, status, request_key, fingerprint, resumes, checkpoint) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT checkpoint FROM jobs WHERE id = ?7))";
        let values = params![name, created_at, spec.title, status, key, print, resumed_name];
        self.execute(KEEP, sql, values)?;
        let sql = "INSERT INTO specs (job, prompt, spec) VALUES (?1, ?2, ?3)";
        self.execute(KEEP, sql, params![name, prompt, text])?;
        let said = match resumed {
            Some(resumed) => read::conversation(&self.db, resumed, 0)?,
            None => vec![],
        };
        self.update(id, |draft| {
            draft.append(created, first);
            // Its agent knows how much of that it has heard.
            let said = said.into_iter().map(|event| event.event).filter(is_from_a_person);
            said.for_each(|event| draft.append(created, event));
        })?;
        Ok(Inserted::New)
    }

    /// Alone, so that nobody is promised the workspace meanwhile.
    pub(crate) fn give_up(&mut self, job: JobId) -> Result<GivenUp, StoreError> {
        if let Some(by) = self.claimant(job)? {
            return Ok(GivenUp::Claimed(by));
        }
        self.update(job, |draft| {
            let kept = draft.state.kept;
            draft.state.retire(false);
            if kept { GivenUp::Yes } else { GivenUp::NotKept }
        })
    }

    /// The job that is not over and is to go on in the workspace that this one left.
    fn claimant(&self, job: JobId) -> Result<Option<JobId>, StoreError> {
        let failed = StoreError::sqlite("look who resumes a job");
        let sql = format!("SELECT ({}) FROM jobs WHERE id = ?1 AND kept", read::HEIR);
        let mut statement = self.db.prepare_cached(&sql).map_err(&failed)?;
        let by = statement.query_row([job.to_string()], |row| row.get::<_, Option<String>>(0));
        by.optional().map_err(&failed)?.flatten().map(|id| row::id(&id)).transpose()
    }

    /// Why a job cannot be resumed by another one: it is already, or there is nothing to go on with.
    /// A job that ended before it took the workspace has no claim to it any more.
    fn claimed(&self, resumed: JobId) -> Result<Option<Inserted>, StoreError> {
        let failed = StoreError::sqlite("look who resumes a job");
        let name = resumed.to_string();
        let mut statement =
            self.db.prepare_cached("SELECT kept FROM jobs WHERE id = ?1").map_err(&failed)?;
        let kept = statement.query_row([&name], |row| row.get(0)).optional().map_err(&failed)?;
        let kept = kept.unwrap_or(false);
        if kept {
            let sql = "UPDATE jobs SET resumes = NULL WHERE resumes = ?1 AND completed IS NOT NULL";
            self.execute("free a workspace", sql, params![name])?;
        }
        Ok(match successor(&self.db, resumed)? {
            Some(by) => Some(Inserted::Before(by)),
            None if kept => None,
            None => Some(Inserted::NotKept(resumed)),
        })
    }
}

fn is_from_a_person(event: &EventKind) -> bool {
    matches!(event, EventKind::Said { by: Speaker::Person, .. })
}

/// The job that resumes this one.
pub(crate) fn successor(db: &Connection, job: JobId) -> Result<Option<JobId>, StoreError> {
    let failed = StoreError::sqlite("look who resumes a job");
    let mut statement =
        db.prepare_cached("SELECT id FROM jobs WHERE resumes = ?1").map_err(&failed)?;
    let by = statement.query_row([job.to_string()], |row| row.get::<_, String>(0)).optional();
    by.map_err(&failed)?.map(|id| row::id(&id)).transpose()
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
