//! Was anything lost, doubled, or told wrongly? Asked of the API and of the ZIPs, and compared with
//! what clients were told while it happened.

mod ends;
mod events;
mod zip;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use types::{Event, JobId, JobStatus, Reason, Stream};

use crate::api::Api;
use crate::load::Request;
use crate::strike::Done;
use crate::work::Work;
use ends::Excuse;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) kind: Kind,
    pub(crate) what: String,
}

/// What kind of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Accepted, and not accounted for.
    Lost,
    /// Accepted, run, told or ended twice.
    Doubled,
    /// A hole in a stream.
    Gap,
    /// Not what was asked for, or not what was told elsewhere.
    Wrong,
    /// There, though every job is over.
    Leftover,
}

/// What there is of a job when it is over.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) job: Job,
    pub(crate) events: Vec<Event>,
    pub(crate) stdout: String,
    pub(crate) zip: Vec<u8>,
}

/// What is read of `GET /job/{id}`.
#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    pub(crate) job_id: JobId,
    pub(crate) status: JobStatus,
    pub(crate) reason: Option<Reason>,
    pub(crate) error: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    job_id: JobId,
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<Listed>,
}

impl Violation {
    fn of(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }
}

/// The jobs whose workspaces wait for somebody to resume them: what is left of these is meant to be.
pub(crate) async fn kept(api: &Api, known: &BTreeSet<JobId>) -> anyhow::Result<Vec<String>> {
    let mut kept = vec![];
    for id in known {
        let job: serde_json::Value = api.get(&format!("/job/{id}")).await?;
        if job["resumable"] == true {
            kept.push(id.to_string());
        }
    }
    Ok(kept)
}

/// Every job that the server knows.
pub(crate) async fn known(api: &Api) -> anyhow::Result<BTreeSet<JobId>> {
    let jobs: Jobs = api.get("/jobs").await?;
    Ok(jobs.jobs.into_iter().map(|job| job.job_id).collect())
}

/// Everything that is wrong with the answers, the jobs and their results.
pub(crate) async fn judge(
    api: &Api,
    known: &BTreeSet<JobId>,
    requests: &[Request],
    done: &Done,
) -> anyhow::Result<Vec<Violation>> {
    let mut found = accounts(known, requests);
    for request in requests {
        let Some(job) = request.jobs.first().filter(|job| known.contains(job)) else { continue };
        let evidence = match collect(api, *job).await {
            Ok(evidence) => evidence,
            Err(why) => {
                found.push(Violation::of(Kind::Lost, format!("job {job}: {why:#}")));
                continue;
            }
        };
        let excuse = Excuse::find(request, &evidence, done);
        let wrong = one(request, &evidence, excuse).into_iter();
        let whose = format!("job {job} ({:?}, {})", request.work, request.engine);
        found.extend(wrong.map(|v| Violation::of(v.kind, format!("{whose}: {}", v.what))));
    }
    Ok(found)
}

/// Accepted is accounted for, exactly once.
fn accounts(known: &BTreeSet<JobId>, requests: &[Request]) -> Vec<Violation> {
    let mut found = vec![];
    let mut owners: BTreeMap<JobId, &str> = BTreeMap::new();
    for request in requests {
        let key = &request.key;
        if let Some(trouble) = &request.trouble {
            found.push(Violation::of(Kind::Lost, format!("{key}: {trouble}")));
        }
        for job in &request.jobs {
            if !known.contains(job) {
                found.push(Violation::of(
                    Kind::Lost,
                    format!("{key}: job {job} is not known any more"),
                ));
            }
            let stolen = owners.insert(*job, key).is_some_and(|other| other != key);
            if *job != request.jobs[0] || stolen {
                found.push(Violation::of(
                    Kind::Doubled,
                    format!("{key}: several jobs: {:?}", request.jobs),
                ));
            }
        }
    }
    let strangers = known.iter().filter(|job| !owners.contains_key(job));
    found.extend(
        strangers
            .map(|job| Violation::of(Kind::Doubled, format!("job {job}: nobody was told of it"))),
    );
    found
}

async fn collect(api: &Api, job: JobId) -> anyhow::Result<Evidence> {
    let mut events = vec![];
    let ended = api.follow(job, &mut events).await?;
    anyhow::ensure!(ended, "its stream ends before its end");
    let stdout = api.bytes(&format!("/logs/{job}/{}", Stream::Stdout.as_str())).await?;
    Ok(Evidence {
        job: api.get(&format!("/job/{job}")).await?,
        events,
        stdout: String::from_utf8(stdout)?,
        zip: api.bytes(&format!("/download/{job}")).await?,
    })
}

fn one(request: &Request, evidence: &Evidence, excuse: Excuse) -> Vec<Violation> {
    let mut found = events::check(&evidence.events, &evidence.stdout);
    found.extend(ends::check(request, evidence, excuse));
    found.extend(
        request.followed.iter().flat_map(|followed| events::same(followed, &evidence.events)),
    );
    match zip::read(&evidence.zip) {
        Ok(archive) => {
            found.extend(zip::check(&archive, evidence));
            let full = excuse == Excuse::Full;
            found.extend(ran(request.work, evidence, archive.ran(), full));
        }
        Err(why) => found.push(Violation::of(Kind::Wrong, format!("its ZIP: {why:#}"))),
    }
    found
}

/// The side effects: each step once, in order; all of them if the job is complete.
fn ran(work: Work, evidence: &Evidence, ran: Option<String>, full: bool) -> Vec<Violation> {
    let expected = work.ran();
    let whole = evidence.job.status == JobStatus::Complete
        || evidence.job.reason == Some(Reason::StepFailed);
    let ran = match ran {
        Some(ran) => ran,
        None if !whole => return vec![],
        None => return vec![Violation::of(Kind::Lost, "the traces of its steps")],
    };
    let steps: Vec<&str> = ran.lines().collect();
    let distinct: BTreeSet<&str> = steps.iter().copied().collect();
    if distinct.len() < steps.len() {
        return vec![Violation::of(Kind::Doubled, format!("its steps ran {ran:?}"))];
    }
    if (whole && ran != expected && !full) || !expected.starts_with(&ran) {
        return vec![Violation::of(
            Kind::Wrong,
            format!("its steps ran {ran:?}, not {expected:?}"),
        )];
    }
    vec![]
}

/// A JSON value of a ZIP's file.
fn json(text: &[u8]) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(text)?)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    pub(super) fn request(key: &str, jobs: &[JobId]) -> Request {
        let now = Instant::now();
        Request {
            key: key.into(),
            work: Work::Steady,
            engine: "local".into(),
            jobs: jobs.into(),
            cancelled: false,
            followed: None,
            trouble: None,
            began: now,
            ended: now,
        }
    }

    fn kinds(found: &[Violation]) -> Vec<Kind> {
        found.iter().map(|violation| violation.kind).collect()
    }

    #[test]
    fn accepted_is_accounted_once() {
        let [a, b, c] = std::array::from_fn(|_| JobId::generate());
        let known = BTreeSet::from([a, b]);
        let good = [request("1", &[a, a]), request("2", &[b])];
        assert_eq!(accounts(&known, &good), []);
        assert_eq!(kinds(&accounts(&known, &good[..1])), [Kind::Doubled], "nobody was told of b");
        let lost = [request("1", &[a]), request("2", &[b]), request("3", &[c])];
        assert_eq!(kinds(&accounts(&known, &lost)), [Kind::Lost]);
        assert_eq!(kinds(&accounts(&known, &[request("1", &[a, b])])), [Kind::Doubled]);
        let shared = [request("1", &[a]), request("2", &[a]), request("3", &[b])];
        assert_eq!(kinds(&accounts(&known, &shared)), [Kind::Doubled]);
    }

    #[test]
    fn what_steps_left_is_counted() {
        let ran = |status, text: &str| {
            let reason = Some(Reason::SandboxLost);
            let job = Job { job_id: JobId::generate(), status, reason, error: None };
            let evidence = Evidence { job, events: vec![], stdout: String::new(), zip: vec![] };
            kinds(&super::ran(Work::Steady, &evidence, Some(text.into()), false))
        };
        assert_eq!(ran(JobStatus::Complete, "1\n2\n3\n"), []);
        assert_eq!(ran(JobStatus::Complete, "1\n2\n"), [Kind::Wrong]);
        assert_eq!(ran(JobStatus::Error, "1\n2\n"), []);
        assert_eq!(ran(JobStatus::Error, "1\n2\n2\n"), [Kind::Doubled]);
        assert_eq!(ran(JobStatus::Error, "2\n"), [Kind::Wrong]);
    }
}
