//! The HTTP layer over [`jobs`]: routes, problem bodies, live events, OpenAPI.
//!
//! Not here: what a job may do and when (crate `jobs`), and the listener (crate `cagent`). A
//! handler reads a request, makes one call of [`jobs::Jobs`] and shapes the answer.
//!
//! Invariant: every refusal is a [`Problem`], also those made by the HTTP library; ids reach the
//! disk as [`types::JobId`] only; every request passes `guard` first.

mod access;
mod attachment;
mod body;
mod cancel;
mod code;
mod converse;
mod dashboard;
mod desktop;
mod disposition;
mod docs;
mod download;
mod events;
mod extract;
mod files;
mod forget;
mod guard;
mod health;
mod home;
mod json;
mod keys;
mod links;
mod list;
mod live;
mod logs;
mod machine;
mod multipart;
mod picture;
mod problem;
mod range;
mod refusals;
mod resume;
mod schedule;
mod session;
mod shell;
mod status;
mod submission;
mod system;
mod tail;
mod wording;

use std::mem;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use jobs::Jobs;
use portal::Portal;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use session::Wrong;
use system::Looked;

pub use cancel::Cancelled;
pub use code::Code;
pub use converse::Recorded;
pub use desktop::Ticket;
pub use files::{FileEntry, FileKind, FileList};
pub use guard::Hosts;
pub use health::{Health, Readiness, ReadinessCheck};
pub use keys::{KeyList, MadeKey};
pub use links::Links;
pub use list::{JobList, JobSummary};
pub use logs::Logs;
pub use machine::{EngineImage, Finding, FindingLevel, Machine};
pub use problem::{FieldProblem, Problem};
pub use schedule::Scheduled;
pub use session::SessionBegun;
pub use shell::PROTOCOL as SHELL_PROTOCOL;
pub use status::{Job, Status};
pub use system::{Doctor, System};

/// The largest body of a request, in bytes: a prompt of 1 MiB of which JSON escapes every byte
/// (`\u0001`, six bytes for one), and room for the other fields.
pub const MAX_BODY_BYTES: usize = 6 * 1024 * 1024 + 64 * 1024;

/// The largest body that carries files, in bytes: enough for data that goes with a task, and not
/// for the use of this server as a store.
pub const MAX_UPLOAD_BYTES: u64 = 1 << 30;

/// What the API must know beside the jobs.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The engines' names, for the health answer; the first is the default.
    pub engines: Vec<String>,
    /// What looks at the machine.
    pub machine: Arc<dyn Machine>,
    /// What hands out ways into desktops, Jupyter and previews.
    pub portal: Portal,
    /// Whether a call needs a key, but for the few that say nothing about jobs.
    pub needs_keys: bool,
    /// To what names the server answers, beside those of its own machine.
    pub hosts: Hosts,
    /// Cancelled when the server is going down: live streams end, so that it can.
    pub closing: CancellationToken,
}

/// Every call, ready to be served.
pub fn router(jobs: Jobs, config: ApiConfig) -> Router {
    let state =
        Api { jobs, config: Arc::new(config), looked: Looked::default(), wrong: Wrong::default() };
    Router::from(documented())
        .merge(dashboard::routes())
        .merge(docs::assets())
        // Nobody should have to remember the slash.
        .route("/v1/jobs/{id}/files", get(files::root))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state.clone(), guard::guard))
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
    looked: Looked,
    wrong: Wrong,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Containerized Agent",
        description = "Give a task, watch it being done in a sealed sandbox, download the result.\n\n\
                       Every refusal is a problem body (RFC 9457) whose `code` is for programs and \
                       whose `detail` says what was wrong and what to do."
    ),
    // What is only within text: the `data` of live events.
    components(schemas(types::Event, live::GoneJob, live::JobEvent)),
    tags(
        (name = "server", description = "The server itself."),
        (name = "jobs", description = "Give, watch and stop jobs."),
        (name = "results", description = "What a job wrote."),
        (name = "files", description = "Single files of a job's workspace."),
        (name = "keys", description = "Who may do what."),
        (name = "desktop", description = "Ways to look into a running job, and to work in it."),
        (name = "docs", description = "This description."),
    )
)]
struct Document;

fn documented() -> OpenApiRouter<Api> {
    let mut router = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(home::root))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(system::system))
        .routes(routes!(system::doctor))
        .routes(routes!(schedule::schedule))
        .routes(routes!(schedule::submit))
        .routes(routes!(status::status))
        .routes(routes!(list::list))
        .routes(routes!(status::job))
        .routes(routes!(cancel::cancel))
        .routes(routes!(resume::resume))
        .routes(routes!(converse::say))
        .routes(routes!(converse::decide))
        .routes(routes!(forget::forget))
        .routes(routes!(events::events))
        .routes(routes!(live::live))
        .routes(routes!(logs::logs))
        .routes(routes!(logs::log_file))
        .routes(routes!(download::download))
        .routes(routes!(files::root))
        .routes(routes!(files::read, files::write))
        .routes(routes!(keys::list, keys::make))
        .routes(routes!(keys::revoke))
        .routes(routes!(session::begin, session::end))
        .routes(routes!(desktop::ticket))
        .routes(routes!(desktop::screenshot))
        .routes(routes!(desktop::rfb))
        .routes(routes!(shell::shell))
        .routes(routes!(docs::page))
        .routes(routes!(docs::document))
        .routes(routes!(code::page));
    // How axum says that a path may have slashes is no OpenAPI.
    let paths = &mut router.get_openapi_mut().paths.paths;
    let plain = |path: String| path.replace("{*", "{");
    *paths = mem::take(paths).into_iter().map(|(path, item)| (plain(path), item)).collect();
    access::describe(router.get_openapi_mut());
    router
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
