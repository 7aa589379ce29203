//! Tasks in plain language that come to a good end.

use protocol::{ReportKind, Verdict};
use types::StepOutcome::{Failed, Ok as Fine, Rejected};
use types::{ModelTurn, Plan, Reason, Stop};

use crate::gateway::Model;
use crate::log::Log;
use crate::script::{
    TRIVIAL, answer, answer_of, calls, facts, failed, finish, flawed, last_of, plan, prose,
    results_of, run, script, shell, start, task, text_of, text_of_parts, write,
};

const BROKEN: &str = "import fib\nassert fib.fib(10) == 55\n";

#[test]
fn a_whole_task_with_a_plan_a_failing_test_and_its_cure() {
    let prompt = "Create a Python script that calculates Fibonacci numbers, with tests";
    let wrong = "def fib(n):\n    return n\n";
    let right =
        "def fib(n):\n    a, b = 0, 1\n    for _ in range(n): a, b = b, a + b\n    return a\n";
    let answers = vec![
        calls(vec![plan(&["write it", "test it"], &["python3 test_fib.py"])]),
        calls(vec![shell("ls")]),
        calls(vec![write("fib.py", wrong), write("test_fib.py", BROKEN)]),
        calls(vec![shell("python3 test_fib.py")]),
        calls(vec![write("fib.py", right)]),
        calls(vec![shell("python3 test_fib.py")]),
        calls(vec![finish(&["fib.py", "test_fib.py"], &["test -s fib.py"])]),
    ];
    let (log, dir) = start(task(prompt), script(answers)).finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    let ends: Vec<_> = log.steps().into_iter().map(|(outcome, _)| outcome).collect();
    assert_eq!(ends, [Fine, Fine, Fine, Failed, Fine, Fine, Fine, Fine], "two checks at the end");
    let result = log.result().unwrap();
    assert!(result.verified);
    assert_eq!(result.artifacts, ["fib.py", "test_fib.py"]);
    let commands: Vec<_> = result.checks.iter().map(|check| check.command.as_deref()).collect();
    assert_eq!(commands, [Some("python3 test_fib.py"), Some("test -s fib.py"), None, None]);
    assert!(result.checks.iter().all(|check| check.passed), "{result:?}");

    let first = &log.questions[0];
    assert_eq!(first.must_call.as_deref(), Some("plan"));
    assert!(text_of(first).contains(prompt) && text_of(first).contains("Installed: python3"));
    assert!(log.questions[1..].iter().all(|question| question.must_call.is_none()));
    assert!(last_of(&log.questions[4]).contains("AssertionError"), "{:?}", log.questions[4]);
    let plans: Vec<Plan> = log.plans();
    assert_eq!(plans.len(), 1);
    let context = std::fs::read_to_string(dir.path().join("workspace/context.txt")).unwrap();
    assert!(context.contains(prompt) && context.contains("accepted"), "{context}");
}

impl Log {
    fn plans(&self) -> Vec<Plan> {
        let plan = |report: &protocol::Report| match &report.report {
            ReportKind::Plan { plan } => Some(plan.clone()),
            _ => None,
        };
        self.reports.iter().filter_map(plan).collect()
    }

    fn said(&self) -> Vec<&str> {
        let mut said = Vec::new();
        for report in &self.reports {
            if let ReportKind::Said { text } = &report.report {
                said.push(text.as_str());
            }
        }
        said
    }
}

#[test]
fn a_trivial_task_is_done_without_a_plan() {
    let (log, _dir) =
        run(vec![calls(vec![shell("echo hello")]), calls(vec![finish(&[], &["true"])])]);
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.stdout(), "hello\n");
    assert_eq!(log.questions.len(), 2);
    assert_eq!(log.questions[0].must_call, None);
    let result = log.result().unwrap();
    assert!(!result.verified, "`true` proves nothing");
    assert_eq!(result.checks, []);
}

#[test]
fn who_makes_no_plan_is_asked_twice_and_then_works_without() {
    let prompt = "Make a file that says hello, and then another one that says bye";
    let answers = vec![
        prose("Sure!"),
        flawed("that was no JSON"),
        calls(vec![shell("echo hello > a")]),
        calls(vec![finish(&["a"], &[])]),
    ];
    let (log, _dir) = start(task(prompt), script(answers)).finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    let asked: Vec<_> = log.questions.iter().map(|q| q.must_call.is_some()).collect();
    assert_eq!(asked, [true, true, false, false]);
    assert!(text_of(&log.questions[2]).contains("that was no JSON"));
    assert_eq!(log.said(), ["Sure!"]);
}

#[test]
fn directory_and_variables_carry_over_and_twelve_calls_stay_in_order() {
    let first = calls(vec![shell("mkdir d; cd d; export A=1")]);
    let twelve = (0..12).map(|i| shell(&format!("echo {i} $A; basename \"$PWD\""))).collect();
    let (log, _dir) = run(vec![first, calls(twelve), calls(vec![finish(&[], &[])])]);
    assert_eq!(log.verdict(), Verdict::Complete);
    let expected: String = (0..12).map(|i| format!("{i} 1\nd\n")).collect();
    assert_eq!(log.stdout(), expected);
    let results = results_of(&log.questions[2]);
    assert_eq!(results.len(), 12);
    for (i, result) in results.iter().enumerate() {
        assert!(text_of_parts(&result.parts).contains(&format!("{i} 1")), "{result:?}");
    }
}

#[test]
fn what_a_person_says_reaches_the_next_question() {
    let answers = vec![
        calls(vec![shell("echo ready; while [ ! -e go ]; do sleep 0.02; done")]),
        calls(vec![finish(&[], &[])]),
    ];
    let sandbox = start(task(TRIVIAL), script(answers));
    sandbox.gateway.wait_for_output("ready");
    sandbox.gateway.say("make it blue");
    // Heard before the step ends: the control stream is read all the time.
    sandbox.gateway.say("and quick");
    std::fs::write(sandbox.workspace("go"), "").unwrap();
    let (log, _dir) = sandbox.finish();
    let all = text_of(log.questions.last().unwrap());
    assert!(all.contains("make it blue") && all.contains("and quick"), "{all}");
}

#[test]
fn a_person_who_speaks_while_the_end_is_checked_is_heard() {
    let check = "echo checking; while [ ! -e go ]; do sleep 0.02; done";
    let answers =
        vec![calls(vec![finish(&[], &[check])]), calls(vec![finish(&[], &["test -e go"])])];
    let sandbox = start(task(TRIVIAL), script(answers));
    sandbox.gateway.wait_for_output("checking");
    sandbox.gateway.say("make it blue");
    std::fs::write(sandbox.workspace("go"), "").unwrap();
    let (log, _dir) = sandbox.finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    let second = text_of(&log.questions[1]);
    assert!(second.contains("make it blue") && second.contains("not yet"), "{second}");
}

#[test]
fn a_question_that_is_too_long_is_asked_again_with_less() {
    let too_long = types::ModelAnswer::TooLong { facts: facts(9_000) };
    let answers = vec![too_long.clone(), too_long, calls(vec![finish(&[], &[])])];
    let (log, _dir) = run(answers);
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.questions.len(), 3);
    assert!(log.questions[2].max_output_tokens < log.questions[0].max_output_tokens);
}

#[test]
fn a_step_waits_for_a_person_and_goes_on_without_what_is_rejected() {
    let answers = vec![
        calls(vec![shell("echo one")]),
        calls(vec![shell("echo two")]),
        calls(vec![finish(&[], &[])]),
    ];
    let spec = protocol::AgentSpec { approve: true, ..task(TRIVIAL) };
    let sandbox = start(spec, script(answers));
    sandbox.gateway.wait("step 1", Log::waiting);
    assert_eq!(sandbox.gateway.wait("step 1", |log| Some(log.stdout())), "");
    sandbox.gateway.decide(1, true, None);
    sandbox.gateway.wait("step 2", |log| log.waiting().filter(|_| log.stdout() == "one\n"));
    sandbox.gateway.decide(2, false, Some("not two"));
    let (log, _dir) = sandbox.finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.steps().into_iter().map(|(o, _)| o).collect::<Vec<_>>(), [Fine, Rejected]);
    assert!(last_of(&log.questions[2]).contains("not two"), "{:?}", log.questions[2]);
}

#[test]
fn an_answer_that_is_cut_off_is_said_to_be() {
    let cut = answer(ModelTurn { text: "Once upon".into(), ..ModelTurn::default() }, Stop::Length);
    let (log, _dir) = run(vec![cut, calls(vec![finish(&[], &[])])]);
    assert_eq!(log.verdict(), Verdict::Complete);
    assert!(last_of(&log.questions[1]).contains("cut off at 16384 tokens"));
}

#[test]
fn floods_are_cut_for_the_model_and_kept_for_people() {
    let flood = "head -c 50000000 /dev/zero | tr '\\0' x; echo; echo the end";
    let (log, _dir) = run(vec![calls(vec![shell(flood)]), calls(vec![finish(&[], &[])])]);
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.stdout().len(), 50_000_009);
    let shown = last_of(&log.questions[1]);
    assert!(shown.len() < 100_000 && shown.contains("the end"), "{} bytes", shown.len());
}

#[test]
fn the_system_prompt_and_the_tools_never_change() {
    let mut n = 0;
    let model: Model = Box::new(move |_| {
        n += 1;
        Some(match n {
            20 => calls(vec![finish(&[], &[])]),
            n => calls(vec![shell(&format!("echo {n}"))]),
        })
    });
    let (log, _dir) = start(task(TRIVIAL), model).finish();
    let [first, others @ ..] = &log.questions[..] else { panic!("no question") };
    assert!(!first.tools.is_empty());
    for other in others {
        assert_eq!((&first.system, &first.tools), (&other.system, &other.tools));
        assert_eq!(first.turns[..], other.turns[..first.turns.len()], "the prefix is stable");
    }
}

#[test]
fn a_budget_ends_the_job_with_its_reason() {
    let answers = vec![calls(vec![shell("echo kept > file")]), failed(Reason::LimitModelTokens)];
    let (log, dir) = run(answers);
    assert_eq!(log.gave_up(), (Reason::LimitModelTokens, "the script is over".into()));
    assert!(dir.path().join("workspace/file").exists());
    assert!(dir.path().join("workspace/context.txt").exists());
}

#[test]
fn a_long_job_stays_small() {
    let mut n = 0;
    let model: Model = Box::new(move |question| {
        if question.tools.is_empty() {
            return Some(prose("What happened so far: noise."));
        }
        n += 1;
        let noise = "x".repeat(5000);
        let calls = vec![shell(&format!("echo {n} {noise}; seq 3000"))];
        (n <= 400).then(|| answer_of(facts(16_000), ModelTurn { calls, ..ModelTurn::default() }))
    });
    let sandbox = start(task(TRIVIAL), model);
    sandbox.gateway.wait("400 steps", |log| (log.steps().len() == 400).then_some(()));
    let status = format!("/proc/{}/status", sandbox.agentd_pid());
    let status = std::fs::read_to_string(status).unwrap();
    sandbox.gateway.cancel();
    let (log, _dir) = sandbox.finish();
    assert_eq!(log.steps().len(), 400);
    let memory = |name| {
        let line: Option<&str> = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let (now, peak) = (memory("VmRSS:"), memory("VmHWM:"));
    eprintln!("agentd has {now} KiB, had {peak} KiB");
    assert!(now < 32 * 1024, "agentd takes {now} KiB");
    let largest = log.checkpoints().iter().map(|c| c.state.to_string().len()).max();
    assert!(largest < Some(8 * 1024), "a checkpoint of {largest:?} bytes");
    let mut gaps: Vec<i64> = log.gaps();
    gaps.sort_unstable();
    eprintln!(
        "between steps: {} µs p50, {} µs p90",
        gaps[gaps.len() / 2],
        gaps[gaps.len() * 9 / 10]
    );
}

impl Log {
    /// Microseconds between a step's end and the next one's beginning.
    fn gaps(&self) -> Vec<i64> {
        let mut gaps = Vec::new();
        let mut end = None;
        for report in &self.reports {
            match report.report {
                ReportKind::StepFinished { .. } => end = Some(report.at),
                ReportKind::StepStarted { .. } => {
                    if let Some(end) = end {
                        gaps.push(report.at.duration_since(end).as_micros() as i64);
                    }
                }
                _ => {}
            }
        }
        gaps
    }
}
