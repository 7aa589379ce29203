//! What can be wrong with a request: the one table from which the codes, their status, the page
//! `/docs/problems` and the table in `docs/api.md` are made.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::home::html;

/// Where the codes are explained on this server; a problem's `type` points into it.
pub(crate) const PAGE: &str = "/docs/problems";

/// The page loads our style and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

macro_rules! codes {
    ($($status:ident { $($name:ident = $word:literal, $advice:literal;)+ })+) => {
        /// What was wrong with a request, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {$($(
            #[doc = $advice]
            $name,
        )+)+}

        impl Code {
            /// Every code, in the order of the status codes.
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// The status code it is sent with.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $($(Self::$name)|+ => StatusCode::$status,)+ }
            }

            /// Its word in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($(Self::$name => $word,)+)+ }
            }

            /// What to do about it, as Markdown in one line.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $($(Self::$name => $advice,)+)+ }
            }
        }
    };
}

codes! {
    BAD_REQUEST {
        InvalidJson = "invalid_json", "send JSON; `detail` says where it breaks";
        BrokenBody = "broken_body", "the body broke off, or came too slowly; send it again";
        BadMultipart = "bad_multipart", "send one part `job` (JSON) and parts `file`, each with a `filename`; `detail` says where it breaks";
    }
    UNAUTHORIZED {
        KeyNeeded = "key_needed", "send a key as `Authorization: Bearer cagent_…`; where the server runs, `cagent key create NAME` makes one";
        KeyRefused = "key_refused", "send a key that works, as `Authorization: Bearer cagent_…`; where the server runs, `cagent key ls` lists them";
    }
    FORBIDDEN {
        HostRefused = "host_refused", "ask for `localhost` or `127.0.0.1`; for another name the server must be told that it is its own (`CAGENT_PUBLIC_NAMES`)";
        OriginRefused = "origin_refused", "a page of another origin may only read";
        ScopeTooSmall = "scope_too_small", "the key may not do this; `detail` says which scope may";
    }
    NOT_FOUND {
        NotFound = "not_found", "there is no such call; see `/docs`";
        MalformedId = "malformed_id", "no job can have this id";
        UnknownJob = "unknown_job", "there is none, or its retention is over, or it was deleted";
        UnknownKey = "unknown_key", "`GET /v1/keys` lists them by their ids";
        UnknownLog = "unknown_log", "a job has `stdout` and `stderr`";
        NoResult = "no_result", "the job is over and left no ZIP; `detail` says why";
        NoSuchFile = "no_such_file", "the workspace has no such file; list its directory";
    }
    METHOD_NOT_ALLOWED {
        MethodNotAllowed = "method_not_allowed", "the `Allow` header says what the call takes";
    }
    CONFLICT {
        NotReady = "not_ready", "it is not there yet; wait (`GET /status/{id}?wait=30`) and ask again";
        NotOver = "not_over", "cancel the job and wait for its end first";
        NotResumable = "not_resumable", "only a job that lost its sandbox and left a workspace can be resumed; `resumable` of `GET /job/{id}` says whether";
        JobOver = "job_over", "the job is over: it takes no files any more, and hears nothing";
        NoAgent = "no_agent", "the job is a runbook, which nobody can talk to; only a job of `mode: agent` has an agent";
        NotWaiting = "not_waiting", "`waiting` of `GET /status/{id}` says which step a job waits for; only that one can be decided about, once";
        TooMuchSaid = "too_much_said", "the job was told more than it can keep; let it work, or cancel it";
        NotAFile = "not_a_file", "it is a directory, a link or a device; only files can be read and replaced";
        NoDesktop = "no_desktop", "`detail` says why, and what the sandbox needs to have one";
        KeyReused = "key_reused", "this `Idempotency-Key` was used with another request; take a new key";
    }
    PAYLOAD_TOO_LARGE {
        TooLarge = "too_large", "a prompt may have 1 MiB, a message 64 KiB, an upload 1 GiB and no more than the workspace may hold";
    }
    UNSUPPORTED_MEDIA_TYPE {
        MediaType = "media_type", "add `-H 'Content-Type: application/json'`";
    }
    RANGE_NOT_SATISFIABLE {
        BadRange = "bad_range", "it is shorter than that; `Content-Range` has its length";
    }
    UNPROCESSABLE_ENTITY {
        InvalidField = "invalid_field", "a field or parameter is missing, unknown or of the wrong kind";
        EmptyPrompt = "empty_prompt", "say what to do";
        BadRunbook = "bad_runbook", "`errors` has one entry for each mistake, with its line";
        NoModel = "no_model", "set `ALCHEMYST_API_KEY`, `GEMINI_API_KEY` or another provider's key for the server, see `docs/models.md`; or put the commands into fenced blocks and leave `mode` and `model` out";
        UnknownModel = "unknown_model", "`detail` lists the models";
        UnknownEngine = "unknown_engine", "`detail` lists the engines";
        BadLimits = "bad_limits", "`detail` has the range";
        BadNetwork = "bad_network", "ask for no more than the operator allows; `detail` says what that is";
        BadEnvironment = "bad_environment", "`detail` says which variable, and why";
        BadKey = "bad_key", "an `Idempotency-Key` is 1 to 255 characters of printable ASCII";
        BadPath = "bad_path", "a path is relative to the workspace, stays in it, leads over directories only, and has no empty or reserved names";
    }
    UPGRADE_REQUIRED {
        UpgradeNeeded = "upgrade_needed", "send `Connection: upgrade` and `Upgrade: rfb`, as `cagent vnc` does, or open it as a WebSocket; in a browser, open a link of `POST /v1/jobs/{id}/tickets`";
    }
    TOO_MANY_REQUESTS {
        TooManyTries = "too_many_tries", "too many wrong keys were tried of late; try again in a minute";
    }
    INTERNAL_SERVER_ERROR {
        Internal = "internal", "the server failed; its log says why";
    }
    SERVICE_UNAVAILABLE {
        Stopping = "stopping", "the server is going down; try again after `Retry-After` seconds";
        SandboxBusy = "sandbox_busy", "the sandbox did not answer, or has enough to answer; try again";
        DiskFull = "disk_full", "the server is short of disk; delete jobs, or try again after `Retry-After` seconds";
    }
}

impl Code {
    /// Where it is explained, as a reference that resolves on this server.
    pub(crate) fn uri(self) -> String {
        format!("{PAGE}#{}", self.as_str())
    }
}

/// Every code and what to do about it
#[utoipa::path(get, path = "/docs/problems", tag = "docs", operation_id = "problems",
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn page() -> Response {
    let rows: String = Code::ALL.iter().map(|code| row(*code)).collect();
    html(include_str!("../assets/problems.html").replace("{{rows}}", &rows), POLICY)
}

fn row(code: Code) -> String {
    let (word, status) = (code.as_str(), code.status().as_u16());
    // Every second piece stood between back quotes.
    let pieces = code.advice().split('`').enumerate();
    let advice: String = pieces
        .map(|(n, text)| if n % 2 == 1 { format!("<code>{text}</code>") } else { text.into() })
        .collect();
    format!(
        "<tr id=\"{word}\"><td>{status}</td><td><code>{word}</code></td><td>{advice}</td></tr>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_the_same_table() {
        let row = |code: &Code| {
            let (status, word) = (code.status().as_u16(), code.as_str());
            format!("| {status} | `{word}` | {} |\n", code.advice())
        };
        let table: String = Code::ALL.iter().map(row).collect();
        let guide = include_str!("../../../docs/api.md");
        assert!(guide.contains(&table), "docs/api.md must have these rows:\n{table}");
    }

    #[test]
    fn advice_needs_no_escapes() {
        for code in Code::ALL {
            assert!(!code.advice().contains(['<', '>', '&', '|', '\n']), "{code:?}");
            assert_eq!(serde_json::json!(code), code.as_str());
        }
    }
}
