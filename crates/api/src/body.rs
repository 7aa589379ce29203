//! Bodies as they come, bounded in size and time: a client that stops in the middle must not hold
//! a connection.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

use crate::code::Code;
use crate::problem::Problem;

/// How long a whole body of JSON may take, and any other body without sending anything.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long any body may take: 1 GiB at about 5 Mbit/s.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// The body of a small request, whole.
pub(crate) async fn whole(request: Request) -> Result<Bytes, Problem> {
    at_most(request, crate::MAX_BODY_BYTES as u64).await
}

/// The body of a request that has `most` bytes at most, whole.
pub(crate) async fn at_most(request: Request, most: u64) -> Result<Bytes, Problem> {
    let all = collected(bounded(request.into_body(), most)?);
    tokio::time::timeout(PATIENCE, all).await.map_err(|_| too_slow())?
}

async fn collected(pieces: impl Stream<Item = Result<Bytes, Problem>>) -> Result<Bytes, Problem> {
    let mut pieces = std::pin::pin!(pieces);
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all.freeze())
}

/// The pieces of a body that has at most `most` bytes. One that announces more is refused at once.
pub(crate) fn bounded(
    body: Body,
    most: u64,
) -> Result<impl Stream<Item = Result<Bytes, Problem>> + Send + 'static, Problem> {
    if body.size_hint().lower() > most {
        return Err(too_large(most));
    }
    let (latest, mut bytes) = (Instant::now() + LONGEST, 0);
    let timed = stream::unfold(body.into_data_stream(), move |mut pieces| async move {
        let by = latest.min(Instant::now() + PATIENCE);
        let piece = match timeout_at(by, pieces.next()).await {
            Ok(piece) => piece?.map_err(|e| broken(&e)),
            Err(_) => Err(too_slow()),
        };
        Some((piece, pieces))
    });
    Ok(timed.map(move |piece| {
        let piece = piece?;
        bytes += piece.len() as u64;
        if bytes > most { Err(too_large(most)) } else { Ok(piece) }
    }))
}

fn broken(error: &dyn std::error::Error) -> Problem {
    Problem::new(Code::BrokenBody, format!("the body could not be read: {error}"))
}

fn too_slow() -> Problem {
    let seconds = PATIENCE.as_secs();
    let detail = format!("the body did not arrive within {seconds} s; send it again");
    Problem::new(Code::BrokenBody, detail)
}

fn too_large(most: u64) -> Problem {
    let detail = format!("the body is larger than {most} bytes; a prompt may have 1 MiB");
    Problem::new(Code::TooLarge, detail)
}
