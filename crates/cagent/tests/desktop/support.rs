use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use api::Job;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use testkit::scripted::{Provider, Reply, Scenario, Seen};
use testkit::{Builder, ScriptedModel, Server};
use types::{Event, EventKind, JobId, JobStatus, StepKind};

/// What these tests need of the host, whose programs the sandbox has.
const NEEDED: [&str; 5] = ["Xvnc", "openbox", "xterm", "xsetroot", "chromium"];

/// A server, and the model that it asks.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) model: ScriptedModel,
}

impl Stage {
    /// Where a model says these one after the other.
    pub(crate) async fn of(replies: impl IntoIterator<Item = Reply>) -> Self {
        for program in NEEDED {
            let found = ["/usr/bin", "/usr/local/bin"]
                .iter()
                .any(|dir| Path::new(dir).join(program).exists());
            assert!(
                found,
                "{program} is missing: apt-get install tigervnc-standalone-server openbox xterm \
                 x11-xserver-utils chromium"
            );
        }
        let model = ScriptedModel::start(Scenario::of(replies)).await;
        let builder = Builder::new(env!("CARGO_BIN_EXE_cagent"));
        let server = builder.model(&model, &[Provider::OpenAi]).start().await;
        Self { server, model }
    }

    pub(crate) async fn begin(&self, fields: Value) -> JobId {
        let mut body = json!({ "prompt": "Do the work", "mode": "agent" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.server.client().schedule(&body).await
    }

    /// Waits for the end of a job that is to be complete; all that happened.
    pub(crate) async fn complete(&self, job: JobId) -> Vec<Event> {
        let is_end = |event: &Event| matches!(event.event, EventKind::Ended { .. });
        let events = self.server.client().events_until(job, is_end).await;
        let Job { status, reason, error, checks, .. } = self.server.client().job(job).await;
        let last: Vec<_> = self.model.requests().iter().map(|seen| seen.last()).collect();
        assert_eq!(status, JobStatus::Complete, "{reason:?} {error:?} {checks:#?} {last:#?}");
        assert!(self.model.complaints().is_empty(), "{:#?}", self.model.complaints());
        events
    }

    /// What the model was told after its answer of this number, from 0.
    pub(crate) fn told_after(&self, answer: usize) -> Arc<Seen> {
        Arc::clone(&self.model.requests()[answer + 1])
    }
}

/// Something done on the desktop.
pub(crate) fn desktop(arguments: Value) -> Reply {
    Reply::call("desktop", arguments)
}

pub(crate) fn shell(command: &str) -> Reply {
    Reply::call("shell", json!({ "command": command }))
}

pub(crate) fn finish(check: &str) -> Reply {
    let checks = json!([{ "what": "it is as it should be", "command": check }]);
    Reply::call("finish", json!({ "summary": "Did it.", "artifacts": [], "checks": checks }))
}

/// The newest picture that a model was shown.
pub(crate) fn picture(seen: &Seen) -> Picture {
    let newest = seen.messages.iter().rev().find_map(|message| message.images.last());
    let png = BASE64_STANDARD.decode(&newest.expect("a picture").base64).unwrap();
    Picture::of(&png)
}

/// A decoded PNG.
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    pub(crate) fn of(png: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(Cursor::new(png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        Self { width: info.width, height: info.height, rgb }
    }

    pub(crate) fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = 3 * (y * self.width + x) as usize;
        self.rgb[at..at + 3].try_into().unwrap()
    }
}

/// The titles of the steps at the desktop.
pub(crate) fn titles(events: &[Event]) -> Vec<String> {
    let title = |event: &Event| match &event.event {
        EventKind::StepStarted { kind: StepKind::Desktop, title, .. } => Some(title.clone()),
        _ => None,
    };
    events.iter().filter_map(title).collect()
}
