//! A picture of a job's desktop, passed on as its sandbox sends it. It is kept nowhere: it can be
//! large, the sandbox drip and who asked be slow, and none of them may cost others a thing.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::io::ReaderStream;
use types::JobId;

use crate::code::Code;
use crate::problem::Problem;

/// The largest picture of a desktop, in bytes: 4096 × 4096 pixels of three bytes that do not compress.
const MAX_PICTURE_BYTES: u64 = 49 << 20;

/// How long one waits for others of the job, and then for the picture to begin.
const PICTURE_PATIENCE: Duration = Duration::from_secs(10);

/// How long a sandbox may take for all of it, at the pace of who asked.
const WHOLE_PATIENCE: Duration = Duration::from_secs(60);

/// How many of one job are under way at one time, until their last byte is sent.
const MOST_PICTURES: usize = 2;

/// The places for them. Each job has its own: a sandbox that drips keeps nobody else out.
static PICTURES: Mutex<BTreeMap<JobId, Weak<Semaphore>>> = Mutex::new(BTreeMap::new());

/// What every PNG begins with.
const PNG: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// A place for a picture, to be had before the sandbox is asked for it.
pub(crate) async fn place(job: JobId) -> Result<OwnedSemaphorePermit, Problem> {
    let place = timeout(PICTURE_PATIENCE, places(job).acquire_owned()).await;
    // Nobody closes it.
    place.ok().and_then(Result::ok).ok_or_else(|| {
        let detail = "too many pictures of this desktop are under way; try again in a few seconds";
        Problem::new(Code::SandboxBusy, detail)
    })
}

/// What a sandbox sends, if it begins as a picture.
pub(crate) async fn read(
    mut stream: impl AsyncRead + Unpin + Send + 'static,
    place: OwnedSemaphorePermit,
) -> Result<Body, Problem> {
    let by = Instant::now() + WHOLE_PATIENCE;
    let mut head = [0; PNG.len()];
    let begun = timeout(PICTURE_PATIENCE, stream.read_exact(&mut head)).await.map_err(|_| {
        let detail = "the sandbox did not send the picture of its desktop in time; try again";
        Problem::new(Code::SandboxBusy, detail)
    })?;
    if begun.is_err() || head != *PNG {
        let detail = "the sandbox sent no picture of its desktop; try again";
        return Err(Problem::new(Code::NoDesktop, detail));
    }
    let rest = ReaderStream::new(stream.take(MAX_PICTURE_BYTES));
    let rest = stream::try_unfold((rest, place), move |(mut rest, place)| async move {
        let piece = timeout_at(by, rest.next()).await?.transpose()?;
        io::Result::Ok(piece.map(|piece| (piece, (rest, place))))
    });
    let head = stream::iter([Ok(Bytes::from_static(PNG))]);
    Ok(Body::from_stream(head.chain(rest)))
}

fn places(job: JobId) -> Arc<Semaphore> {
    let mut all = PICTURES.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, places| places.strong_count() > 0);
    let places = all.get(&job).and_then(Weak::upgrade);
    let places = places.unwrap_or_else(|| Arc::new(Semaphore::new(MOST_PICTURES)));
    all.insert(job, Arc::downgrade(&places));
    places
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_picture() {
        let silent = async |said: &[u8]| {
            let (mut sandbox, ours) = duplex(64);
            sandbox.write_all(said).await.unwrap();
            let place = place(JobId::generate()).await.unwrap();
            let picture = timeout(PICTURE_PATIENCE * 2, read(ours, place)).await;
            (sandbox, picture.expect("an answer"))
        };
        let (_sandbox, picture) = silent(&PNG[..7]).await;
        let problem = picture.unwrap_err();
        assert_eq!(problem.code, Code::SandboxBusy, "{problem:?}");
        assert!(problem.detail.contains("in time; try again"), "{problem:?}");

        let (_sandbox, picture) = silent(&[PNG, &b"and"[..]].concat()).await;
        let read = timeout(WHOLE_PATIENCE * 2, to_bytes(picture.unwrap(), usize::MAX)).await;
        read.expect("an end").expect_err("it is not whole");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_keeps_only_others_of_the_job_out() {
        let (job, other) = (JobId::generate(), JobId::generate());
        let ask = async |job| read(&PNG[..], place(job).await?).await;
        let first = ask(job).await.unwrap();
        let _second = ask(job).await.unwrap();
        let problem = timeout(PICTURE_PATIENCE * 2, ask(job)).await.unwrap().unwrap_err();
        assert_eq!(problem.code, Code::SandboxBusy, "{problem:?}");
        assert!(problem.detail.contains("too many"), "{problem:?}");
        drop(ask(other).await.unwrap());

        assert_eq!(to_bytes(first, usize::MAX).await.unwrap(), &PNG[..]);
        drop(ask(job).await.unwrap());
    }

    #[tokio::test]
    async fn a_picture_has_a_bound() {
        let place = place(JobId::generate()).await.unwrap();
        let endless = PNG.chain(tokio::io::repeat(0));
        let picture = read(endless, place).await.unwrap();
        let all = to_bytes(picture, usize::MAX).await.unwrap();
        assert_eq!(all.len() as u64, PNG.len() as u64 + MAX_PICTURE_BYTES);
    }
}
