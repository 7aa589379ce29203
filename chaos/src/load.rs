//! The clients: each gives a job, perhaps follows it, perhaps cancels it, waits for its end, and gives
//! the next one, whatever becomes of the server meanwhile.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use types::{Event, JobId, JobStatus};

use crate::api::Api;
use crate::work::Work;

/// How long a job may take from its acceptance to its end: the longest disturbance and then some.
const END_PATIENCE: Duration = Duration::from_secs(180);

/// Between two tries to follow.
const PAUSE: Duration = Duration::from_millis(20);

/// A request, and all that its client learned.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) key: String,
    pub(crate) work: Work,
    pub(crate) engine: String,
    /// What each answer to it said.
    pub(crate) jobs: Vec<JobId>,
    /// Whether its client was told that it ends as cancelled.
    pub(crate) cancelled: bool,
    /// What a follower saw, in the order in which it came.
    pub(crate) followed: Option<Vec<Event>>,
    /// Why its client gave up.
    pub(crate) trouble: Option<String>,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// All requests, and whether there shall be more.
#[derive(Debug, Default)]
pub(crate) struct Load {
    accepted: AtomicU64,
    given: AtomicU64,
    enough: AtomicBool,
    news: Notify,
    over: Mutex<Vec<Request>>,
}

#[derive(Deserialize)]
struct Scheduled {
    job_id: JobId,
}

#[derive(Deserialize)]
struct Status {
    status: JobStatus,
}

#[derive(Deserialize)]
struct Cancelled {
    cancelled: bool,
}

impl Load {
    /// Gives one job after the other until it is enough.
    pub(crate) async fn client(&self, api: &Api, engines: &[String], mut rng: Rng) {
        while !self.enough.load(Ordering::Relaxed) {
            let n = self.given.fetch_add(1, Ordering::Relaxed);
            let engine = engines[rng.usize(..engines.len())].clone();
            let request = self.one(api, n, engine, &mut rng).await;
            self.over.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        }
    }

    /// No more jobs from here on.
    pub(crate) fn enough(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// How many were accepted as far as clients know.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Waits until so many were.
    pub(crate) async fn until_accepted(&self, count: u64) {
        loop {
            let news = self.news.notified();
            if self.accepted() >= count {
                return;
            }
            news.await;
        }
    }

    /// What became of them.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.over.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn one(&self, api: &Api, n: u64, engine: String, rng: &mut Rng) -> Request {
        let work = Work::any(rng);
        let began = Instant::now();
        let mut request = Request {
            key: format!("request-{n}"),
            work,
            engine,
            jobs: vec![],
            cancelled: false,
            followed: None,
            trouble: None,
            began,
            ended: began,
        };
        if let Err(why) = self.live(api, n, &mut request, rng).await {
            request.trouble = Some(format!("{why:#}"));
        }
        request.ended = Instant::now();
        request
    }

    async fn live(
        &self,
        api: &Api,
        n: u64,
        request: &mut Request,
        rng: &mut Rng,
    ) -> anyhow::Result<()> {
        let body = request.work.request(&request.engine, n);
        let job = give(api, request, &body).await?;
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.news.notify_waiters();
        let (again, follows) = (rng.u8(..8) == 0, rng.u8(..3) == 0);
        let patience = Duration::from_millis(rng.u64(0..1_500));
        let following = async {
            match follows {
                true => Some(follow(api, job).await),
                false => None,
            }
        };
        let other = async {
            if again {
                give(api, request, &body).await?;
            }
            if request.work == Work::Endless {
                sleep(patience).await;
                let path = format!("/cancel/{job}");
                request.cancelled = api.post::<Cancelled>(&path, None, None).await?.cancelled;
            }
            until_over(api, job).await
        };
        let (followed, over) = tokio::join!(following, other);
        request.followed = followed;
        over
    }
}

async fn give(api: &Api, request: &mut Request, body: &Value) -> anyhow::Result<JobId> {
    let scheduled: Scheduled = api.post("/schedule", Some(body), Some(&request.key)).await?;
    request.jobs.push(scheduled.job_id);
    Ok(scheduled.job_id)
}

/// Everything a follower sees who comes back whenever the stream breaks off.
async fn follow(api: &Api, job: JobId) -> Vec<Event> {
    let mut seen = vec![];
    let begun = Instant::now();
    while begun.elapsed() < END_PATIENCE {
        match api.follow(job, &mut seen).await {
            Ok(true) => break,
            Ok(false) | Err(_) => sleep(PAUSE).await,
        }
    }
    seen
}

async fn until_over(api: &Api, job: JobId) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let found: Status = api.get(&format!("/status/{job}?wait=10")).await?;
        if found.status.is_final() {
            return Ok(());
        }
        let patience = END_PATIENCE;
        anyhow::ensure!(begun.elapsed() < patience, "still {} after {patience:?}", found.status);
    }
}
