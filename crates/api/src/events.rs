//! A job's events as they come, as Server-Sent Events.

use std::time::Duration;

use axum::BoxError;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use jobs::Follower;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use types::{Event, JobId};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::code::Code;
use crate::extract::{JobPath, Params};
use crate::problem::Problem;
use crate::refusals::JobProblems;

/// How long a stream is silent at most; proxies close quieter ones after 30 s or more.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// After which a browser comes back when a stream ended before its job: about what a restart takes.
pub(crate) const RECONNECT: Duration = Duration::from_secs(2);

/// What is wrong with a place that is none.
const NO_SEQ: &str = "must be the `seq` of an event: a whole number, 0 or more";

const LAST_EVENT_ID: &str = "last-event-id";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// Only events with a greater `seq`; the `Last-Event-ID` header comes first.
    #[serde(default, deserialize_with = "seq")]
    #[param(value_type = Option<u64>, format = "uint64")]
    after: Option<u64>,
}

/// An event as it is sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the description; `sse_event` makes them")]
pub(crate) struct SentEvent {
    /// Its `seq`.
    id: String,
    /// Its type.
    event: String,
    /// All of it: an `Event`.
    #[schema(content_media_type = "application/json")]
    data: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the description; `last_event_id` reads the header")]
pub(crate) struct LastEventId {
    /// The last `seq` already seen.
    #[param(rename = "Last-Event-ID", required = false, value_type = u64, format = "uint64")]
    seq: (),
}

fn seq<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u64>, D::Error> {
    String::deserialize(value)?.parse().map(Some).map_err(|_| D::Error::custom(NO_SEQ))
}

/// A job's events, live
///
/// Server-Sent Events: first those that are there already, then those that come, until `ended`,
/// after which the stream ends. `id` is the event's `seq`, `event` its type, `data` the event as
/// JSON. A client that comes back with the last id after the end gets 204, so that it stays away.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs",
    params(("id" = JobId, Path, description = "The job"), EventParams,
        LastEventId),
    responses((status = 200, description = "The events; `data` of each is an `Event` as JSON",
            body = SentEvent, content_type = "text/event-stream"),
        (status = 204, description = "The job is over and there are no events after this one"),
        (status = 422, description = "`invalid_field`: not the `seq` of an event", body = Problem,
            content_type = "application/problem+json",
            example = json!(Problem::field(Code::InvalidField, "after", NO_SEQ))),
        JobProblems))]
pub(crate) async fn events(
    State(api): State<Api>,
    JobPath(id): JobPath,
    headers: HeaderMap,
    Params(params): Params<EventParams>,
) -> Result<Response, Problem> {
    let after = last_event_id(&headers)?.or(params.after).unwrap_or(0);
    let record = api.jobs.get(id).await?;
    if after > record.last_seq {
        let message = format!("{after} is too high: the job has {} events so far", record.last_seq);
        return Err(Problem::field(Code::InvalidField, "after", message));
    }
    if record.status.is_final() && after == record.last_seq {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let follower = api.jobs.follow(id, after).await?;
    // Also who comes just when the server stops hears when to come again.
    let greeting = sse::Event::default().retry(RECONNECT);
    Ok(until_closing(&api, greeting, live(id, follower)))
}

/// A stream that ends when the server does, and before that is never silent for long.
pub(crate) fn until_closing<E: Into<BoxError> + Send + 'static>(
    api: &Api,
    greeting: sse::Event,
    events: impl Stream<Item = Result<sse::Event, E>> + Send + 'static,
) -> Response {
    let events = events.take_until(api.config.closing.clone().cancelled_owned());
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    let all = stream::iter([Ok(greeting)]).chain(events);
    Sse::new(all).keep_alive(keep_alive).into_response()
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(given) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let number = given.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || Problem::field(Code::InvalidField, "Last-Event-ID", NO_SEQ);
    number.map(Some).ok_or_else(wrong)
}

/// Each event is written when its turn comes: pages are shared by all who follow the job.
fn live(
    job: JobId,
    follower: Follower,
) -> impl Stream<Item = Result<sse::Event, serde_json::Error>> {
    let pages = stream::unfold(follower, move |mut follower| async move {
        match follower.next().await {
            Ok(page) => page.map(|events| (events, follower)),
            // The client comes back with its last id.
            Err(e) => {
                tracing::error!(%job, "an event stream broke off: {e}");
                None
            }
        }
    });
    pages.flat_map(|page| stream::iter((0..page.len()).map(move |n| sse_event(&page[n]))))
}

fn sse_event(event: &Event) -> Result<sse::Event, serde_json::Error> {
    let data = serde_json::to_string(event)?;
    let Tagged { event: Tag { name } } = serde_json::from_str(&data)?;
    Ok(sse::Event::default().id(event.seq.to_string()).event(name).data(&data))
}

/// Reads the event's type back from its JSON, the one place where the words are.
#[derive(Deserialize)]
struct Tagged<'a> {
    #[serde(borrow)]
    event: Tag<'a>,
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "type")]
    name: &'a str,
}

#[cfg(test)]
mod tests {
    use types::{EventKind, Stream};

    use super::*;

    #[tokio::test]
    async fn an_event_is_sent_with_its_number_and_type() {
        let text = Some("one\ntwo\r\n\u{1b}[31m\u{2028}".into());
        let kind = EventKind::Output { step: 1, stream: Stream::Stdout, offset: 0, bytes: 9, text };
        let event = Event { seq: 7, at: jiff::Timestamp::UNIX_EPOCH, event: kind };
        let events = stream::iter([sse_event(&event)]);
        let body = Sse::new(events).into_response().into_body();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = std::str::from_utf8(&body).unwrap();
        let fields: Vec<_> = body.trim_end().lines().map(|l| l.split_once(": ").unwrap()).collect();
        let [("id", "7"), ("event", "output"), ("data", data)] = fields[..] else {
            panic!("{body:?}");
        };
        assert_eq!(serde_json::from_str::<Event>(data).unwrap(), event);
    }

    #[test]
    fn the_last_id_must_be_a_number() {
        let given = |text: &'static str| {
            last_event_id(&HeaderMap::from_iter([(
                LAST_EVENT_ID.parse().unwrap(),
                axum::http::HeaderValue::from_static(text),
            )]))
        };
        assert_eq!(last_event_id(&HeaderMap::new()), Ok(None));
        assert_eq!(given("42"), Ok(Some(42)));
        assert_eq!(given("-1").unwrap_err().code, Code::InvalidField);
        assert_eq!(given("x").unwrap_err().errors[0].field, "Last-Event-ID");
    }
}
