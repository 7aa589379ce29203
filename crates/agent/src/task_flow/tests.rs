use super::*;
use crate::step::Environment;
use crate::tools::Finish;
use claim::Claim;
use state::{CallName, Turn};
use types::Check;

#[test]
fn the_flow_is_well_built_and_drawn() {
    let text = drawing().unwrap();
    for edge in [
        "n_analyse -->|think| n_think",
        "n_think -->|act| n_act",
        "n_act -->|next| n_act",
        "n_act -->|verify| n_verify",
        "n_verify -->|think| n_think",
        "n_verify -->|over| n_compile",
    ] {
        assert!(text.contains(edge), "{text}");
    }
}

fn state() -> State {
    let call = |n: usize| CallName { id: format!("call_{n}"), tool: "shell".into() };
    let check = Check { what: "it runs".into(), command: "python3 main.py".into() };
    let finish = Finish { summary: "done".into(), checks: vec![check], ..Finish::default() };
    State {
        step: 3,
        armed: true,
        cwd: "/workspace".into(),
        environment: Environment::new(),
        plan: None,
        turn: Turn { calls: (0..12).map(call).collect(), next: 4, failed: false, finish: None },
        patience: manners::Patience::default(),
        trail: stuck::Trail::default(),
        claim: Some(Claim::new(0, finish, None)),
        rejections: 1,
        result: None,
        verdict: None,
    }
}

#[test]
fn a_call_that_was_begun_is_not_armed_after_a_checkpoint() {
    let kept = serde_json::to_value(state()).unwrap();
    let position = flow().unwrap().resume("act", kept).unwrap();
    assert_eq!(position.state, State { armed: false, ..state() });
}
