use super::*;

#[test]
fn the_flow_is_well_built_and_drawn() {
    let text = drawing().unwrap();
    for edge in
        ["n_read -->|run| n_step", "n_step -->|next| n_read", "n_step -->|failed| n_compile"]
    {
        assert!(text.contains(edge), "{text}");
    }
}

#[test]
fn a_step_that_was_begun_is_not_armed_after_a_checkpoint() {
    let state = State {
        step: 3,
        armed: true,
        cwd: "/workspace".into(),
        environment: Environment::new(),
        failure: None,
        verdict: None,
    };
    let kept = serde_json::to_value(&state).unwrap();
    let position = flow(3).unwrap().resume("step", kept).unwrap();
    assert_eq!(position.state, State { armed: false, ..state });
}
