//! The HTTP layer over [`jobs`]: routes, problem bodies, live events, OpenAPI.
//!
//! Not here: what a job may do and when (crate `jobs`), and the listener (crate `cagent`). A
//! handler reads a request, makes one call of [`jobs::Jobs`] and shapes the answer.
//!
//! Invariant: every refusal is a [`Problem`], also those made by the HTTP library; ids reach the
//! disk as [`types::JobId`] only; every request passes `guard` first.

mod attachment;
mod cancel;
mod docs;
mod download;
mod events;
mod extract;
mod guard;
mod health;
mod home;
mod json;
mod links;
mod logs;
mod problem;
mod refusals;
mod schedule;
mod status;
mod tail;
mod wording;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware::from_fn;
use jobs::Jobs;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use cancel::Cancelled;
pub use health::Health;
pub use links::Links;
pub use logs::Logs;
pub use problem::{Code, FieldProblem, Problem};
pub use schedule::Scheduled;
pub use status::{Job, JobList, JobSummary, Status};

/// The largest body of a request, in bytes: a prompt of 1 MiB of which JSON escapes every byte
/// (`\u0001`, six bytes for one), and room for the other fields.
pub const MAX_BODY_BYTES: usize = 6 * 1024 * 1024 + 64 * 1024;

/// What the API must know beside the jobs.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The engines' names, for the health answer; the first is the default.
    pub engines: Vec<String>,
    /// Cancelled when the server is going down: live streams end, so that it can.
    pub closing: CancellationToken,
}

/// Every call, ready to be served on a loopback address.
pub fn router(jobs: Jobs, config: ApiConfig) -> Router {
    let (router, document) = documented().split_for_parts();
    let state = Api { jobs, config: Arc::new(config), document: Arc::new(document) };
    router
        .merge(home::assets())
        .merge(docs::assets())
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(guard::guard))
        .with_state(state)
}

/// The API's description, made from the handlers and their types.
#[must_use]
pub fn openapi() -> OpenApi {
    documented().into_openapi()
}

/// [`openapi`] as it is committed in `crates/api/openapi.json`: indented, in a stable order, with a
/// line feed at the end.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    Ok(openapi().to_pretty_json()? + "\n")
}

/// What every handler can reach.
#[derive(Clone)]
struct Api {
    jobs: Jobs,
    config: Arc<ApiConfig>,
    document: Arc<OpenApi>,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Containerized Agent",
        description = "Give a task, watch it being done in a sealed sandbox, download the result.\n\n\
                       Every refusal is a problem body (RFC 9457) whose `code` is for programs and \
                       whose `detail` says what was wrong and what to do."
    ),
    tags(
        (name = "server", description = "The server itself."),
        (name = "jobs", description = "Give, watch and stop jobs."),
        (name = "results", description = "What a job wrote."),
        (name = "docs", description = "This description."),
    )
)]
struct Document;

fn documented() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(home::root))
        .routes(routes!(schedule::schedule))
        .routes(routes!(schedule::submit))
        .routes(routes!(status::status))
        .routes(routes!(status::list))
        .routes(routes!(status::job))
        .routes(routes!(cancel::cancel))
        .routes(routes!(events::events))
        .routes(routes!(logs::logs))
        .routes(routes!(logs::log_file))
        .routes(routes!(download::download))
        .routes(routes!(docs::page))
        .routes(routes!(docs::document))
}

async fn unknown_path(uri: Uri) -> Problem {
    let detail = format!("there is nothing at {}; GET /docs lists every call", uri.path());
    Problem::new(Code::NotFound, detail)
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let path = uri.path();
    let detail = format!("{path} does not take {method}; the Allow header says what it takes");
    Problem::new(Code::MethodNotAllowed, detail)
}
