//! Commands that go on beside the steps after them, and how a model talks to them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;
use types::{Part, StepKind};

use super::run::{Call, how, title};
use super::shown::Transcript;
use super::spill::Spill;
use super::{Done, Signal, Toolbox};
use crate::step::{Heading, Kept, KeptEnd, Ran, Runner, StepError};

/// The most that live at one time.
const MOST: usize = 8;

/// The most that are remembered.
const MOST_REMEMBERED: usize = 32;

/// How long a new one is watched: most that fail do so at once.
const FIRST_LOOK: Duration = Duration::from_millis(200);

/// How long output is waited for that follows on what came.
const SETTLE: Duration = Duration::from_millis(100);

/// How long a process may take to read its input.
const TAKE_INPUT: Duration = Duration::from_secs(5);

/// Those of a toolbox, by the steps that began them.
#[derive(Debug, Default)]
pub(super) struct Background {
    processes: RefCell<BTreeMap<u32, Rc<Process>>>,
}

#[derive(Debug)]
struct Process {
    title: String,
    kept: Kept,
    stdin: RefCell<Option<pipe::Sender>>,
    heard: Rc<Heard>,
    /// Whether the model knows that it ended.
    told: Cell<bool>,
}

/// What one wrote.
#[derive(Debug)]
struct Heard {
    transcript: RefCell<Transcript>,
    spill: Mutex<Spill>,
    /// How many pieces came.
    pieces: watch::Sender<u64>,
    /// How many of them the model was shown.
    shown: Cell<u64>,
}

/// What a model does with one before it looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) input: Option<&'a str>,
    pub(super) close_input: bool,
    pub(super) signal: Option<Signal>,
    pub(super) wait_seconds: u32,
}

impl Toolbox {
    pub(super) async fn begin(&self, call: Call<'_>, command: &str) -> Result<Done, StepError> {
        let heading = Heading::new(StepKind::Background, title(command), Some(command));
        if let Some(why) = self.no_room() {
            return self.refuse(call, StepKind::Background, &title(command), why).await;
        }
        let work = async { Ok((Ran::plain(true), self.begin_process(call, command).await?)) };
        let (ran, seen) = self.runner.around(call.step, heading, call.cancel, work).await?;
        let text = seen.unwrap_or_else(|| how(&ran, 0));
        Ok(Done::of(&ran, vec![Part::text(text)]))
    }

    /// Why no more can be begun.
    pub(super) fn no_room(&self) -> Option<String> {
        self.background.is_full()
    }

    /// Begins one; how it looks after a moment.
    pub(super) async fn begin_process(
        &self,
        Call { step, place, .. }: Call<'_>,
        command: &str,
    ) -> Result<String, StepError> {
        let heard = Rc::new(Heard::new(Spill::new(step, &self.spilled)));
        let (runner, hearing) = (Rc::clone(&self.runner), Rc::clone(&heard));
        let hear = async move |stream, bytes: &[u8]| hearing.hear(&runner, stream, bytes).await;
        let mut kept = self.runner.keep(step, command, place, hear).await?;
        let stdin = RefCell::new(kept.stdin.take());
        let (title, told) = (title(command), Cell::new(false));
        let process = Rc::new(Process { title, kept, stdin, heard, told });
        self.background.add(step, Rc::clone(&process));
        drop(timeout(FIRST_LOOK, process.kept.gone()).await);
        Ok(process.look(step, &self.runner).await)
    }

    pub(super) async fn talk(
        &self,
        call: Call<'_>,
        id: u32,
        wanted: Wanted<'_>,
    ) -> Result<Done, StepError> {
        let Call { step, cancel, .. } = call;
        let title = wanted.title(id);
        let process = match self.background.get(id) {
            Ok(process) => process,
            Err(why) => return self.refuse(call, StepKind::Process, &title, why).await,
        };
        let heading = Heading::new(StepKind::Process, title, wanted.input);
        let work = async {
            tokio::select! {
                biased;
                () = cancel.cancelled() => Ok((Ran::cancelled(), None)),
                said = process.talk(wanted) => {
                    let text = process.look(id, &self.runner).await;
                    Ok((Ran::plain(true), Some(said + &text)))
                }
            }
        };
        let (ran, seen) = self.runner.around(step, heading, cancel, work).await?;
        let text = seen.flatten().unwrap_or_else(|| how(&ran, 0));
        Ok(Done::of(&ran, vec![Part::text(text)]))
    }

    /// What became of those that the model still believes to be running.
    pub(super) fn ended(&self) -> Vec<Part> {
        let mut parts = vec![];
        for (id, process) in self.background.processes.borrow().iter() {
            if let Some(end) = process.kept.ended()
                && !process.told.replace(true)
            {
                let (title, end) = (&process.title, in_words(&end));
                let text = format!(
                    "[background process {id} ({title}) {end}; `process` shows its last output]"
                );
                parts.push(Part::text(text));
            }
        }
        parts
    }

    /// Ends them all.
    pub(super) async fn end_background(&self) -> Result<(), StepError> {
        let living = self.background.living();
        let kept: Vec<&Kept> = living.iter().map(|(_, process)| &process.kept).collect();
        if kept.is_empty() { Ok(()) } else { self.runner.end_kept(&kept).await }
    }
}

impl Background {
    fn living(&self) -> Vec<(u32, Rc<Process>)> {
        let processes = self.processes.borrow();
        let living = processes.iter().filter(|(_, process)| process.kept.ended().is_none());
        living.map(|(id, process)| (*id, Rc::clone(process))).collect()
    }

    fn is_full(&self) -> Option<String> {
        (self.living().len() >= MOST).then(|| {
            format!("{MOST} background processes are running ({}); end one first", self.list())
        })
    }

    /// Who ended longest ago is forgotten first.
    fn add(&self, id: u32, process: Rc<Process>) {
        let mut processes = self.processes.borrow_mut();
        if processes.len() >= MOST_REMEMBERED {
            let old = processes.iter().find(|(_, process)| process.kept.ended().is_some());
            let old = old.map(|(id, _)| *id);
            old.and_then(|id| processes.remove(&id));
        }
        processes.insert(id, process);
    }

    fn get(&self, id: u32) -> Result<Rc<Process>, String> {
        self.processes.borrow().get(&id).map(Rc::clone).ok_or_else(|| {
            format!("there is no background process {id}; there are: {}", self.list())
        })
    }

    fn list(&self) -> String {
        let living = self.living();
        let living = living.iter().map(|(id, process)| format!("{id} ({})", process.title));
        let list = living.collect::<Vec<_>>().join(", ");
        if list.is_empty() { "none".into() } else { list }
    }
}

impl Process {
    /// Does what is wanted, then waits for what comes of it; what went wrong, in a line.
    async fn talk(&self, wanted: Wanted<'_>) -> String {
        let mut pieces = self.heard.pieces.subscribe();
        let acts = wanted.input.is_some() || wanted.close_input || wanted.signal.is_some();
        let before = if acts { *pieces.borrow() } else { self.heard.shown.get() };
        let mut said = match wanted.input {
            Some(input) => self.write(input).await,
            None => String::new(),
        };
        if wanted.close_input {
            drop(self.stdin.take());
        }
        if let Some(signal) = wanted.signal {
            self.kept.signal(signal.into());
        }
        let news = async {
            tokio::select! {
                // The sender is ours.
                _ = pieces.wait_for(|pieces| *pieces > before) => {}
                () = self.kept.gone() => return,
            }
            drop(timeout(SETTLE, self.kept.gone()).await);
        };
        let wait = Duration::from_secs(wanted.wait_seconds.into());
        if timeout(wait, news).await.is_err() && acts && wait > Duration::ZERO {
            let _ = writeln!(said, "[nothing new within {} s]", wanted.wait_seconds);
        }
        said
    }

    async fn write(&self, input: &str) -> String {
        let Some(mut stdin) = self.stdin.take() else { return "[its input is closed]\n".into() };
        match timeout(TAKE_INPUT, stdin.write_all(input.as_bytes())).await {
            Ok(Ok(())) => {
                self.stdin.replace(Some(stdin));
                String::new()
            }
            Ok(Err(error)) => format!("[it takes no input: {error}]\n"),
            Err(_) => {
                self.stdin.replace(Some(stdin));
                "[it did not read all of the input]\n".into()
            }
        }
    }

    /// How it is, and what it wrote since the last look.
    async fn look(&self, id: u32, runner: &Runner) -> String {
        let state = match self.kept.ended() {
            Some(end) => {
                self.told.set(true);
                in_words(&end)
            }
            None => "is running".into(),
        };
        let output = self.heard.take(runner).await;
        match output.trim_end_matches('\n') {
            "" => format!("process {id} {state}, no new output"),
            output => format!("process {id} {state}; new output:\n{output}"),
        }
    }
}

fn in_words(end: &KeptEnd) -> String {
    match end {
        Ok(code) => format!("has ended with exit code {code}"),
        Err(why) => format!("has ended: {why}"),
    }
}

impl Heard {
    fn new(spill: Spill) -> Self {
        Self {
            transcript: RefCell::default(),
            spill: Mutex::new(spill),
            pieces: watch::Sender::new(0),
            shown: Cell::new(0),
        }
    }

    async fn hear(&self, runner: &Runner, stream: types::Stream, bytes: &[u8]) {
        let more = self.transcript.borrow_mut().hear(stream, bytes);
        self.spill.lock().await.keep(runner, &more).await;
        self.pieces.send_modify(|pieces| *pieces += 1);
    }

    async fn take(&self, runner: &Runner) -> String {
        self.shown.set(*self.pieces.borrow());
        let more = self.transcript.borrow_mut().finish();
        let mut spill = self.spill.lock().await;
        spill.keep(runner, &more).await;
        let cut = self.transcript.borrow_mut().take();
        cut.text(&spill.whole(runner))
    }
}

impl Wanted<'_> {
    fn title(&self, id: u32) -> String {
        match (self.input, self.signal) {
            (Some(input), _) => format!("process {id}: input {:?}", title(input)),
            (None, Some(signal)) => format!("process {id}: signal {signal:?}"),
            (None, None) if self.close_input => format!("process {id}: end of input"),
            (None, None) => format!("process {id}: look"),
        }
    }
}
