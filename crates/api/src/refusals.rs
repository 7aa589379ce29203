//! The refusals that many calls share, for their documentation, each with an example.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, ResponsesBuilder};

use crate::code::Code;
use crate::problem::{INTERNAL, PROBLEM_JSON, Problem};

/// The refusals of every call.
pub(crate) enum CommonProblems {}

impl IntoResponses for CommonProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        documented([host_refused(), internal()])
    }
}

/// The refusal of a call with parameters.
pub(crate) enum InvalidParams {}

impl IntoResponses for InvalidParams {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let wait = "must be a whole number of seconds, 0 to 60";
        documented([("`invalid_field`", Problem::field(Code::InvalidField, "wait", wait))])
    }
}

/// The refusals of a call that names a job.
pub(crate) enum JobProblems {}

impl IntoResponses for JobProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        documented([host_refused(), ("`malformed_id`, `unknown_job`", malformed_id()), internal()])
    }
}

/// The refusal of a call that changes a job.
pub(crate) enum FullProblem {}

impl IntoResponses for FullProblem {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = Problem::new(Code::DiskFull, Code::DiskFull.advice());
        documented([("`disk_full`: try again after `Retry-After` seconds", problem)])
    }
}

/// The refusals of a call for which a key may be needed, for want of one.
pub(crate) enum KeyProblems {}

impl IntoResponses for KeyProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = Problem::new(Code::KeyNeeded, Code::KeyNeeded.advice());
        documented([("`key_needed`, `key_refused`", problem)])
    }
}

/// The refusals of a small body of JSON.
pub(crate) enum BodyProblems {}

impl IntoResponses for BodyProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |code: Code| Problem::new(code, code.advice());
        documented([
            ("`invalid_json`, `broken_body`", problem(Code::InvalidJson)),
            ("`too_large`", problem(Code::TooLarge)),
            ("`media_type`: send `Content-Type: application/json`", problem(Code::MediaType)),
            (
                "`invalid_field`",
                Problem::field(Code::InvalidField, "scope", "missing field `scope`"),
            ),
        ])
    }
}

/// The refusals of a call that exchanges a key.
pub(crate) enum SessionProblems {}

impl IntoResponses for SessionProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |code: Code| Problem::new(code, code.advice());
        let mut responses = BodyProblems::responses();
        responses.extend(documented([
            ("`key_refused`", problem(Code::KeyRefused)),
            ("`too_many_tries`: wrong keys", problem(Code::TooManyTries)),
        ]));
        responses
    }
}

/// The refusals of a call that talks to a job's agent.
pub(crate) enum TalkProblems {}

impl IntoResponses for TalkProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |code: Code| Problem::new(code, code.advice());
        documented([
            ("`invalid_json`, `broken_body`", problem(Code::InvalidJson)),
            (
                "`job_over`, `no_agent`: it is a runbook, `not_waiting`: not for this step, \
                 `too_much_said`",
                problem(Code::NotWaiting),
            ),
            ("`too_large`: a message has at most 64 KiB", problem(Code::TooLarge)),
            ("`media_type`: send `Content-Type: application/json`", problem(Code::MediaType)),
            ("`invalid_field`", Problem::field(Code::InvalidField, "text", "the message is empty")),
        ])
    }
}

/// The refusals of a call that goes on after a job.
pub(crate) enum ResumeProblems {}

impl IntoResponses for ResumeProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |code: Code| Problem::new(code, code.advice());
        documented([
            (
                "`not_resumable`: it did not break off, or its workspace is gone",
                problem(Code::NotResumable),
            ),
            (
                "`stopping`, `disk_full`: try again after `Retry-After` seconds",
                problem(Code::DiskFull),
            ),
        ])
    }
}

/// The refusals of a call that connects into a sandbox.
pub(crate) enum DialProblems {}

impl IntoResponses for DialProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let why = "this sandbox has no desktop: its image has no Xvnc";
        documented([
            (
                "`no_desktop`, `not_ready`: it is not running yet, `job_over`",
                Problem::new(Code::NoDesktop, why),
            ),
            (
                "`sandbox_busy`: try again",
                Problem::new(Code::SandboxBusy, Code::SandboxBusy.advice()),
            ),
        ])
    }
}

/// The refusals of a call that asks for a link.
pub(crate) enum TicketProblems {}

impl IntoResponses for TicketProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |code: Code| Problem::new(code, code.advice());
        let field = Problem::field(Code::InvalidField, "port", "only a preview is of a port");
        documented([
            ("`invalid_json`, `broken_body`", problem(Code::InvalidJson)),
            ("`job_over`", problem(Code::JobOver)),
            ("`too_large`", problem(Code::TooLarge)),
            ("`media_type`: send `Content-Type: application/json`", problem(Code::MediaType)),
            ("`invalid_field`", field),
        ])
    }
}

/// What a client that has some of it already may get, beside a 200.
pub(crate) enum PartProblems {}

impl IntoResponses for PartProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let answer = |text: &str| ResponseBuilder::new().description(text);
        let bytes = ContentBuilder::new().build();
        let part = answer("The part that `Range` asks for").content("*/*", bytes).build();
        let unchanged = answer("It is what `If-None-Match` says").build();
        let beyond = Problem::new(Code::BadRange, "it has 5 bytes, not so many");
        let mut responses = documented([("`bad_range`", beyond)]);
        responses.insert("206".into(), part.into());
        responses.insert("304".into(), unchanged.into());
        responses
    }
}

/// The refusals of a call that sends a file.
pub(crate) enum UploadProblems {}

impl IntoResponses for UploadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |code: Code| Problem::new(code, code.advice());
        documented([
            ("`broken_body`", problem(Code::BrokenBody)),
            (
                "`job_over`, `not_ready`: the job is just starting, `not_a_file`",
                problem(Code::JobOver),
            ),
            ("`too_large`", problem(Code::TooLarge)),
            ("`bad_path`: also one that leads over a file or a link", problem(Code::BadPath)),
            (
                "`stopping`, `disk_full`: try again after `Retry-After` seconds; `sandbox_busy`",
                problem(Code::DiskFull),
            ),
        ])
    }
}

/// The refusal of a call that looks into a workspace.
pub(crate) enum AwayProblem {}

impl IntoResponses for AwayProblem {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let busy = Problem::new(Code::SandboxBusy, Code::SandboxBusy.advice());
        documented([("`sandbox_busy`: its daemon does not answer; `stopping`", busy)])
    }
}

/// The refusals of a call that makes a job.
pub(crate) enum ScheduleProblems {}

impl IntoResponses for ScheduleProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = Problem::new;
        let json = "the body is not JSON: EOF while parsing a string at line 1 column 12";
        let large = "the prompt has 1048577 bytes; at most 1048576 are allowed";
        let media_type = "the body is not announced; send JSON and say so: \
                          -H 'Content-Type: application/json'";
        let field = Problem::field(
            Code::InvalidField,
            "limits.cpus",
            "invalid type: string \"2\", expected a number",
        );
        documented([
            ("`invalid_json`, `broken_body`, `bad_multipart`", problem(Code::InvalidJson, json)),
            host_refused(),
            (
                "`key_reused`: the `Idempotency-Key` was used with another request",
                problem(Code::KeyReused, Code::KeyReused.advice()),
            ),
            (
                "`too_large`: a prompt has at most 1 MiB, files 1 GiB",
                problem(Code::TooLarge, large),
            ),
            (
                "`media_type`: send `Content-Type: application/json`",
                problem(Code::MediaType, media_type),
            ),
            (
                "`invalid_field`, `empty_prompt`, `bad_runbook`, `no_model`, `unknown_model`, `unknown_engine`, \
                 `bad_limits`, `bad_network`, `bad_environment`, `bad_key`, `bad_path`",
                field,
            ),
            internal(),
            (
                "`stopping`, `disk_full`: try again after `Retry-After` seconds",
                problem(Code::Stopping, "the orchestrator is stopping; try again when it is up"),
            ),
        ])
    }
}

/// The example of a 404.
pub(crate) fn malformed_id() -> Problem {
    let detail = "\"1\" is not a job id: expected the form 018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f";
    Problem::new(Code::MalformedId, detail)
}

fn host_refused() -> (&'static str, Problem) {
    let advice = Code::HostRefused.advice();
    let detail = format!("this server does not answer to example.com; {advice}");
    ("`host_refused`, `origin_refused`, `scope_too_small`", Problem::new(Code::HostRefused, detail))
}

fn internal() -> (&'static str, Problem) {
    ("`internal`", Problem::new(Code::Internal, INTERNAL))
}

/// Each with its codes, the example's first.
fn documented<const N: usize>(problems: [(&str, Problem); N]) -> BTreeMap<String, RefOr<Response>> {
    let response = |(codes, example): (&str, Problem)| {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .example(Some(serde_json::json!(example)));
        let response = ResponseBuilder::new().description(codes);
        (example.status.to_string(), response.content(PROBLEM_JSON, content.build()).build())
    };
    ResponsesBuilder::new().responses_from_iter(problems.map(response)).build().responses
}
