use proptest::prelude::*;
use serde_json::json;
use types::{Check, PlanItem, PlanState};

use super::*;
use crate::tools::Finish;

fn call(name: &str, arguments: Value) -> Result<Action, String> {
    parse(&ToolCall { id: "1".into(), name: name.into(), arguments, flaw: None })
}

fn step(name: &str, arguments: Value) -> StepAction {
    match call(name, arguments) {
        Ok(Action::Step(step)) => step,
        other => panic!("{other:?}"),
    }
}

fn shell(code: &str, timeout_seconds: u32) -> StepAction {
    StepAction::Run { program: Program::Bash, code: code.into(), timeout_seconds }
}

#[test]
fn every_tool_is_understood() {
    assert_eq!(step("shell", json!({"command": "ls"})), shell("ls", 600));
    let python = StepAction::Run { program: Program::Python, code: "1".into(), timeout_seconds: 9 };
    assert_eq!(step("python", json!({"code": "1", "timeout_seconds": 9})), python);
    assert_eq!(
        step("edit_file", json!({"path": "a", "old": "x", "new": ""})),
        StepAction::Edit { path: "a".into(), old: "x".into(), new: String::new(), all: false }
    );
    assert_eq!(
        step("write_file", json!({"path": "a", "content": ""})),
        StepAction::Write { path: "a".into(), content: String::new() }
    );
    assert_eq!(
        step("read_file", json!({"path": "a"})),
        StepAction::Read { path: "a".into(), from_line: 1, lines: 400 }
    );
    assert_eq!(step("view_image", json!({"path": "a"})), StepAction::View { path: "a".into() });
    assert_eq!(
        step("process", json!({"id": 3, "signal": "INT"})),
        StepAction::Process {
            id: 3,
            input: None,
            close_input: false,
            signal: Some(Signal::Int),
            wait_seconds: 5
        }
    );
    let check = Check { what: "runs".into(), command: "./a".into() };
    let finish = json!({"summary": "s", "artifacts": ["a"], "checks": [check]});
    let expected = Finish { summary: "s".into(), artifacts: vec!["a".into()], checks: vec![check] };
    assert_eq!(call("finish", finish), Ok(Action::Finish(expected)));
    assert_eq!(call("recall", json!({"query": 7})), Ok(Action::Recall { query: "7".into() }));
}

#[test]
fn what_is_clear_is_accepted() {
    assert_eq!(step("shell", json!({"cmd": "ls", "timeout": "60"})), shell("ls", 60));
    assert_eq!(step("shell", json!("{\"command\": \"ls\"}")), shell("ls", 600));
    let wordy = json!({"command": "ls", "description": "lists", "timeout_seconds": null});
    assert_eq!(step("shell", wordy), shell("ls", 600));
    assert_eq!(step("shell", json!({"commands": ["a", "b"]})), shell("a\nb", 600));
    assert_eq!(step("shell", json!({"command": "ls", "timeout_seconds": 9e3})), shell("ls", 3600));
    let edit =
        json!({"file_path": "a", "old_string": "x", "new_string": "y", "replace_all": "True"});
    assert_eq!(
        step("edit_file", edit),
        StepAction::Edit { path: "a".into(), old: "x".into(), new: "y".into(), all: true }
    );
    let plan = json!({"steps": ["look", {"task": "write", "status": "in_progress"}],
        "checks": ["pytest"]});
    let item = |text: &str, state| PlanItem { text: text.into(), state };
    let expected = Plan {
        deliverables: vec![],
        items: vec![item("look", PlanState::Open), item("write", PlanState::Active)],
        checks: vec![Check { what: "pytest".into(), command: "pytest".into() }],
    };
    assert_eq!(call("plan", plan), Ok(Action::Plan(expected)));
    let finish = json!({"summary": "s", "artifacts": "a.py"});
    let expected = Finish { summary: "s".into(), artifacts: vec!["a.py".into()], checks: vec![] };
    assert_eq!(call("finish", finish), Ok(Action::Finish(expected)));
}

#[test]
fn what_is_wrong_is_said_exactly() {
    for (name, arguments, wrong) in [
        ("shel", json!({}), "no tool \"shel\"; did you mean `shell`? There are: shell, python"),
        ("browse", json!({}), "no tool \"browse\". There are"),
        ("shell", json!({}), "`command` is missing. Expected: shell{command: string, timeout_"),
        ("shell", json!({"command": " "}), "`command` is empty"),
        ("shell", json!({"command": "ls", "pty": true}), "`pty` is not among the arguments"),
        ("shell", json!({"command": {"a": 1}}), "`command` must be string, not {\"a\":1}"),
        ("shell", json!({"command": "{\"command\": \"ls\"}"}), "is JSON, not a shell script"),
        ("shell", json!([1]), "the arguments are no JSON object but a list"),
        ("shell", json!("ls"), "the arguments are no JSON object but a string"),
        ("shell", json!({"command": "x", "timeout_seconds": -1}), "must be integer, not -1"),
        ("read_file", json!({"path": "a", "lines": "many"}), "must be integer, not \"many\""),
        ("edit_file", json!({"path": "a", "old": "x", "new": "x"}), "the same"),
        ("edit_file", json!({"path": "a", "old": "", "new": "x"}), "`old` is empty"),
        ("process", json!({"id": 1, "signal": "STOP"}), "must be INT|TERM|KILL|HUP, not \"STOP\""),
        ("plan", json!({"items": []}), "`items` is empty"),
        ("plan", json!({"items": [3]}), "`items` must be [{text: string, state: open|active"),
        ("finish", json!({"artifacts": []}), "`summary` is missing. Expected: finish{"),
        ("write_file", json!({"path": "a", "content": "x".repeat(2 << 20)}), "longer than 1 MiB"),
    ] {
        let error = call(name, arguments.clone()).unwrap_err();
        assert!(error.contains(wrong), "{name} {arguments}: {error}");
        assert!(error.len() < 500, "{error}");
    }
}

#[test]
fn a_flaw_is_passed_on_with_what_is_expected() {
    let flawed = ToolCall {
        id: "1".into(),
        name: "recall".into(),
        arguments: json!("{\"query\": "),
        flaw: Some("the JSON ends after 10 characters".into()),
    };
    let error = parse(&flawed).unwrap_err();
    assert_eq!(error, "the JSON ends after 10 characters. Expected: recall{query: string}");
}

#[test]
fn shell_tests_and_groups_are_no_json() {
    for script in ["[ -f a ] && ls", "{ ls; }", "[[ a == b ]]", "{\n  ls\n}"] {
        assert_eq!(step("shell", json!({"command": script})), shell(script, 600));
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let names =
            prop_oneof![Just("command"), Just("items"), Just("id"), Just("text"), Just("x")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_sent_there_is_an_answer(
        tool in prop::sample::select(TOOLS.iter().map(|tool| tool.name).collect::<Vec<_>>()),
        arguments in values(),
    ) {
        if let Err(error) = call(tool, arguments) {
            prop_assert!(error.contains("Expected: "));
        }
    }
}
