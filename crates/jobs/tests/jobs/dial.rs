//! Ways into a job's sandbox, and who has its desktop.

use jobs::{DialError, JobError, TalkError};
use protocol::shell::{FromShell, Incoming, Start, ToShell, send};
use protocol::{Control, ReportKind, Target, Verdict, Wish};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use types::{EventKind, JobId, JobStatus, NoticeLevel};

use crate::support::{Agent, Doing, PATIENCE, Setup, config, started};

const PORT: Target = Target::Port { port: 1 };

/// Answers every connection with its target, but has no screen; says what it hears of the desktop.
fn doorman(mut agent: Agent) -> Doing {
    Box::pin(async move {
        agent.step(1).await;
        loop {
            let Ok(mut controls) = agent.client.control().await else {
                tokio::task::yield_now().await;
                continue;
            };
            while let Ok(Some(control)) = controls.next().await {
                match control {
                    Control::Dial(dial) if dial.to == Target::Screenshot => {
                        agent.client.refuse(dial.n, "no screen").await.unwrap();
                    }
                    Control::Dial(dial) if dial.to == Target::Shell => {
                        let mut stream = agent.client.arrive(dial.n).await.unwrap();
                        let heard = Incoming::<_, ToShell>::new(&mut stream).next().await.unwrap();
                        let output = FromShell::Output(format!("{:?}", heard.unwrap()).into());
                        send(&mut stream, &output).await.unwrap();
                    }
                    Control::Dial(dial) => {
                        let mut stream = agent.client.arrive(dial.n).await.unwrap();
                        stream.write_all(format!("{:?}", dial.to).as_bytes()).await.unwrap();
                    }
                    Control::Instruction(it) => {
                        let Wish::Desktop { taken } = it.wish else { panic!("{it:?}") };
                        let (level, text) = (NoticeLevel::Info, format!("{} {taken}", it.n));
                        agent.say(ReportKind::Notice { level, text }).await;
                    }
                    Control::Cancel => return agent.finish(Verdict::Cancelled).await,
                    Control::Ready => {}
                }
            }
        }
    })
}

fn heard(n: u64, taken: bool) -> impl Fn(&EventKind) -> bool {
    let wanted = format!("{n} {taken}");
    move |event| matches!(event, EventKind::Notice { text, .. } if *text == wanted)
}

#[tokio::test]
async fn a_running_job_is_connected_to() {
    let setup = Setup::new(doorman, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    for to in [PORT, Target::Desktop, Target::Jupyter, Target::Port { port: 65535 }] {
        let mut stream = timeout(PATIENCE, setup.jobs.dial(job, to)).await.unwrap().unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, format!("{to:?}"));
    }
    let refused = setup.jobs.dial(job, Target::Screenshot).await.unwrap_err();
    assert!(matches!(&refused, DialError::Refused(_)), "{refused:?}");
    assert_eq!(refused.to_string(), "no screen");
    setup.jobs.cancel(job).await.unwrap();
    setup.end(job).await;
}

#[tokio::test]
async fn what_people_run_is_recorded_before_it_runs() {
    let setup = Setup::new(doorman, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let plain = Start::new(vec![], None).unwrap();
    let line = Start::new(["sh", "-c", "echo \n"].map(str::to_owned).into(), None).unwrap();
    for start in [plain.clone(), line] {
        let stream = timeout(PATIENCE, setup.jobs.shell(job, start.clone())).await.unwrap();
        let answer = Incoming::new(stream.unwrap()).next().await.unwrap();
        assert_eq!(answer, Some(FromShell::Output(format!("{:?}", ToShell::Start(start)).into())));
    }
    setup.jobs.cancel(job).await.unwrap();
    let (_, events) = setup.end(job).await;
    let told = events.iter().filter_map(|event| match &event.event {
        EventKind::Notice { text, .. } => Some(&**text),
        _ => None,
    });
    let wanted = ["a person opened a shell", "a person ran sh -c \"echo \\n\""];
    assert_eq!(told.collect::<Vec<_>>(), wanted);
    let late = setup.jobs.shell(job, plain).await.unwrap_err();
    assert!(matches!(late, DialError::NotRunning(JobStatus::Cancelled)), "{late:?}");
}

#[tokio::test]
async fn where_there_is_no_sandbox_people_are_told_so() {
    let setup = Setup::new(doorman, 1).await;
    let refused = async |job, status| {
        let refused = setup.jobs.dial(job, PORT).await.unwrap_err();
        assert!(matches!(refused, DialError::NotRunning(is) if is == status), "{refused:?}");
    };
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let waiting = setup.schedule().await;
    refused(waiting, JobStatus::Scheduled).await;
    for job in [waiting, job] {
        setup.jobs.cancel(job).await.unwrap();
        setup.end(job).await;
        refused(job, JobStatus::Cancelled).await;
    }
    let nobody = setup.jobs.dial(JobId::generate(), PORT).await.unwrap_err();
    assert!(matches!(nobody, DialError::Job(JobError::NotFound(_))), "{nobody:?}");
}

#[tokio::test]
async fn the_next_orchestrator_gives_the_desktop_back() {
    let setup = Setup::new(doorman, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let taken = setup.jobs.take_desktop(job, true).await.unwrap();
    setup.until(job, heard(taken, true)).await;

    let setup = setup.restart(config(1)).await;
    // The agent hears both, as every stream brings all.
    let freed = |event: &EventKind| matches!(event, EventKind::Notice { text, .. } if text.ends_with("false"));
    setup.until(job, freed).await;

    // Nobody had it: nothing is given back.
    let setup = setup.restart(config(1)).await;
    let again = setup.jobs.take_desktop(job, true).await.unwrap();
    setup.until(job, heard(again, true)).await;
    setup.jobs.cancel(job).await.unwrap();
    let (_, events) = setup.end(job).await;
    let desktop = events.iter().filter_map(|event| match event.event {
        EventKind::Desktop { taken } => Some(taken),
        _ => None,
    });
    assert_eq!(desktop.collect::<Vec<_>>(), [true, false, true]);
    let late = setup.jobs.take_desktop(job, true).await.unwrap_err();
    assert!(matches!(late, TalkError::Over(JobStatus::Cancelled)), "{late:?}");
}
