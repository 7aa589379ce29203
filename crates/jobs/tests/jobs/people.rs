//! What people say to an agent, and what they decide.

use futures_util::future::join_all;
use jobs::{ScheduleRequest, TalkError};
use protocol::{Checkpoint, Control, ReportKind, Verdict, Wish};
use types::{EventKind, JobStatus, Mode, Reason, Speaker, StepKind, Waiting};

use crate::agents::{TASK, result, setup, steady, with};
use crate::support::{Agent, Doing, HELLO, Setup, request};

/// Says what it hears, until it hears the last of it.
fn echo(mut agent: Agent) -> Doing {
    Box::pin(async move {
        let mut stream = 0;
        loop {
            let Ok(mut controls) = agent.client.control().await else {
                tokio::task::yield_now().await;
                continue;
            };
            stream += 1;
            while let Ok(Some(control)) = controls.next().await {
                let Control::Instruction(instruction) = control else { continue };
                let Wish::Message { text } = instruction.wish else { panic!("{instruction:?}") };
                let said = format!("{stream}: {} {text}", instruction.n);
                agent.say(ReportKind::Said { text: said }).await;
                if text == "bye" {
                    return agent
                        .finish(Verdict::GaveUp { reason: Reason::Stuck, error: text })
                        .await;
                }
            }
        }
    })
}

fn said(text: &str) -> impl Fn(&EventKind) -> bool {
    move |event| matches!(event, EventKind::Said { by: Speaker::Agent, text: said } if said == text)
}

#[tokio::test]
async fn what_is_said_is_heard_once_by_each_stream() {
    let (setup, model) = setup(echo).await;
    let job = setup.jobs.schedule(request(TASK)).await.unwrap();
    let first = setup.jobs.say(job, "hello".into()).await.unwrap();
    setup.until(job, said(&format!("1: {first} hello"))).await;
    let second = setup.jobs.say(job, "again".into()).await.unwrap();
    setup.until(job, said(&format!("1: {second} again"))).await;
    let setup = setup.restart(with(&model)).await;
    setup.until(job, said(&format!("2: {second} again"))).await;
    let last = setup.jobs.say(job, "bye".into()).await.unwrap();
    let (record, events) = setup.end(job).await;
    assert_eq!(record.ending.unwrap().reason, Reason::Stuck);
    let heard: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.event {
            EventKind::Said { by: Speaker::Agent, text } => Some(text.clone()),
            _ => None,
        })
        .collect();
    let wanted = [
        format!("1: {first} hello"),
        format!("1: {second} again"),
        format!("2: {first} hello"),
        format!("2: {second} again"),
        format!("2: {last} bye"),
    ];
    assert_eq!(heard, wanted);
    let late = setup.jobs.say(job, "hello?".into()).await.unwrap_err();
    assert!(matches!(late, TalkError::Over(JobStatus::Error)), "{late}");
}

/// Breaks off when it hears "bye"; whoever goes on says what it hears.
fn break_off(mut agent: Agent) -> Doing {
    if agent.checkpoint.is_some() {
        return echo(agent);
    }
    Box::pin(async move {
        let (node, state) = ("think".into(), serde_json::json!({}));
        agent.say(ReportKind::Checkpoint(Checkpoint { node, state })).await;
        let mut controls = agent.client.control().await.unwrap();
        while let Some(control) = controls.next().await.unwrap() {
            let bye = Wish::Message { text: "bye".into() };
            if matches!(control, Control::Instruction(instruction) if instruction.wish == bye) {
                return 7;
            }
        }
        0
    })
}

#[tokio::test]
async fn who_goes_on_after_a_job_hears_what_was_said_to_it() {
    let (setup, _model) = setup(break_off).await;
    let old = setup.jobs.schedule(request(TASK)).await.unwrap();
    for text in ["hello", "bye"] {
        setup.jobs.say(old, text.into()).await.unwrap();
    }
    let (record, _) = setup.end(old).await;
    assert!(record.kept, "{record:#?}");
    let new = setup.jobs.resume(old).await.unwrap();
    let (_, events) = setup.end(new).await;
    let said = events.iter().filter_map(|event| match &event.event {
        EventKind::Said { by, text } => Some((*by, text.as_str())),
        _ => None,
    });
    let (person, agent) = (Speaker::Person, Speaker::Agent);
    let wanted = [(person, "hello"), (person, "bye"), (agent, "1: 2 hello"), (agent, "1: 3 bye")];
    assert_eq!(said.collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let (setup, _model) = setup(echo).await;
    let job = setup.jobs.schedule(request(TASK)).await.unwrap();
    let refuse = async |text: &str| setup.jobs.say(job, text.into()).await.unwrap_err();
    assert!(matches!(refuse(" \n").await, TalkError::Empty));
    assert!(matches!(refuse(&"x".repeat(64 * 1024 + 1)).await, TalkError::TooLong { .. }));
    let decided = setup.jobs.decide(job, 1, true, None).await.unwrap_err();
    assert!(matches!(decided, TalkError::NotWaiting { step: 1 }), "{decided}");
    let runbook = ScheduleRequest { mode: Mode::Runbook, ..request(HELLO) };
    let runbook = setup.jobs.schedule(runbook).await.unwrap();
    let refused = setup.jobs.say(runbook, "hello".into()).await.unwrap_err();
    assert!(matches!(refused, TalkError::NoAgent), "{refused}");
    let unknown = setup.jobs.say(types::JobId::generate(), "hello".into()).await.unwrap_err();
    assert!(matches!(unknown, TalkError::Job(_)), "{unknown}");
    for waiting in [job, runbook] {
        setup.jobs.cancel(waiting).await.unwrap();
    }
    let late = setup.jobs.say(job, "hello".into()).await.unwrap_err();
    assert!(matches!(late, TalkError::Over(_)), "{late}");
}

/// Waits to be told what to do about its first step.
fn careful(mut agent: Agent) -> Doing {
    Box::pin(async move {
        let (kind, title, code) = (StepKind::Bash, "ls".to_owned(), Some("ls".to_owned()));
        let waiting = Waiting::Approval { step: 1, kind, title, code };
        agent.say(ReportKind::Waiting { waiting }).await;
        let mut controls = agent.client.control().await.unwrap();
        loop {
            match controls.next().await.unwrap() {
                Some(Control::Instruction(instruction)) => {
                    let approved = true;
                    let wanted = Wish::Decision { step: 1, approved, reason: Some("go".into()) };
                    assert_eq!(instruction.wish, wanted);
                    break;
                }
                Some(_) => {}
                None => panic!("nobody decided"),
            }
        }
        agent.done(1, StepKind::Bash, "ls", "ls\n", 0).await;
        agent.say(result(true)).await;
        agent.finish(Verdict::Complete).await
    })
}

#[tokio::test]
async fn a_job_waits_until_somebody_decides() {
    let (setup, _model) = setup(careful).await;
    let asked = ScheduleRequest { approve: true, ..request(TASK) };
    let job = setup.jobs.schedule(asked).await.unwrap();
    setup.until(job, |event| matches!(event, EventKind::Waiting { .. })).await;
    let waiting = setup.jobs.get(job).await.unwrap().waiting;
    assert!(matches!(waiting, Some(Waiting::Approval { step: 1, .. })), "{waiting:?}");
    let decide =
        async |step, approved| setup.jobs.decide(job, step, approved, Some("go".into())).await;
    assert!(matches!(decide(2, true).await, Err(TalkError::NotWaiting { step: 2 })));
    let seq = decide(1, true).await.unwrap();
    let again = decide(1, true).await;
    assert!(matches!(again, Ok(known) if known == seq), "{again:?}");
    assert!(decide(1, false).await.is_err(), "it is decided");
    let (record, events) = setup.end(job).await;
    assert_eq!((record.status, record.waiting), (JobStatus::Complete, None), "{:?}", record.ending);
    let decided = events.iter().filter(|e| matches!(e.event, EventKind::Decided { .. })).count();
    assert_eq!(decided, 1);
}

#[tokio::test]
async fn nobody_is_told_more_than_can_be_kept() {
    let (setup, model) = setup(steady).await;
    model.answers.send_replace(false);
    let job = setup.jobs.schedule(request(TASK)).await.unwrap();
    let say = async |setup: &Setup| setup.jobs.say(job, "x".repeat(64 * 1024)).await;
    // 64 KiB and what an empty one takes, 63 times, come to 4 MiB but for a little.
    let said = join_all((0..200).map(|_| say(&setup))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = said.into_iter().partition(Result::is_ok);
    assert_eq!(taken.len(), 63, "however many speak at once");
    assert!(refused.iter().all(|e| matches!(e, Err(TalkError::TooMuch { .. }))), "{refused:?}");
    let setup = setup.restart(with(&model)).await;
    let refused = say(&setup).await.unwrap_err();
    assert!(matches!(refused, TalkError::TooMuch { .. }), "it is kept for longer: {refused}");
    let refused = setup.jobs.decide(job, 9, true, Some("x".repeat(50_000))).await.unwrap_err();
    assert!(matches!(refused, TalkError::NotWaiting { .. }), "what fits: {refused}");
    setup.jobs.say(job, "y".repeat(50_000)).await.unwrap();
    setup.jobs.cancel(job).await.unwrap();
    let (_, events) = setup.end(job).await;
    let said_events = events.iter().filter(|event| matches!(event.event, EventKind::Said { .. }));
    assert_eq!(said_events.count(), taken.len() + 1);
}

#[tokio::test]
async fn who_goes_on_after_a_job_was_told_what_that_one_was() {
    let (setup, model) = setup(break_off).await;
    let old = setup.jobs.schedule(request(TASK)).await.unwrap();
    let most = "x".repeat(64 * 1024);
    for _ in 0..63 {
        setup.jobs.say(old, most.clone()).await.unwrap();
    }
    setup.jobs.say(old, "bye".into()).await.unwrap();
    assert!(setup.end(old).await.0.kept);
    let setup = setup.restart(jobs::Config { concurrency: 0, ..with(&model) }).await;
    let new = setup.jobs.resume(old).await.unwrap();
    let refused = setup.jobs.say(new, most).await.unwrap_err();
    assert!(matches!(refused, TalkError::TooMuch { .. }), "{refused}");
    setup.jobs.say(new, "x".repeat(50_000)).await.unwrap();
}
