use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Kind;
use crate::fixtures::{called, provider, question, said};

fn turns(of: Vec<Turn>) -> Vec<Turn> {
    let asked = ModelRequest { turns: of, ..ModelRequest::default() };
    mended(&asked, &provider(Kind::Gemini), true).turns
}

fn result(id: &str) -> ToolResult {
    let parts = vec![Part::text(format!("result of {id}"))];
    ToolResult { call: id.into(), name: "shell".into(), parts, is_error: false }
}

fn results(ids: &[&str]) -> Turn {
    Turn::Results { results: ids.iter().map(|id| result(id)).collect() }
}

#[test]
fn what_is_in_order_stays_as_it_is() {
    let model = ModelTurn { text: "I look".into(), ..called(&["a", "b"]) };
    let asked = vec![
        said("task"),
        Turn::Model(model),
        results(&["a", "b"]),
        said("a person"),
        Turn::Model(called(&["c"])),
        results(&["c"]),
    ];
    assert_eq!(turns(asked.clone()), asked);
}

#[test]
fn every_call_gets_its_result_in_order() {
    let mended = turns(vec![said("task"), Turn::Model(called(&["a", "b"])), results(&["b"])]);
    let Turn::Results { results } = &mended[2] else { panic!("{mended:?}") };
    assert_eq!((results[0].call.as_str(), results[0].is_error), ("a", true));
    assert_eq!(results[1], result("b"));
}

#[test]
fn the_same_id_twice_becomes_two() {
    let twice = || [Turn::Model(called(&["a", "a"])), results(&["a", "a"])];
    let mended = turns([vec![said("task")], twice().into(), twice().into()].concat());
    let ids = |at: usize| match &mended[at] {
        Turn::Model(turn) => turn.calls.iter().map(|call| call.id.clone()).collect::<Vec<_>>(),
        Turn::Results { results } => results.iter().map(|result| result.call.clone()).collect(),
        Turn::User { .. } => panic!("{mended:?}"),
    };
    assert_eq!((ids(1), ids(2)), (ids(2), vec!["a".into(), "a_2".into()]));
    assert_eq!((ids(3), ids(4)), (ids(4), vec!["a_3".into(), "a_4".into()]));
}

#[test]
fn results_of_no_call_are_said_instead() {
    let mended = turns(vec![results(&["x"])]);
    assert_eq!(mended, [said("result of x")]);
}

#[test]
fn what_one_model_wants_to_see_again_is_for_it_alone() {
    let with = |of: &str, data| {
        let replay = Some(Replay { of: of.into(), data });
        let model = ModelTurn { text: "hi".into(), replay, ..ModelTurn::default() };
        let turns = vec![said("a"), Turn::Model(model), said("b")];
        ModelRequest { turns, ..ModelRequest::default() }
    };
    let kept = |asked: &ModelRequest, replay| {
        let mended = mended(asked, &provider(Kind::Gemini), replay);
        let Turn::Model(turn) = &mended.turns[1] else { panic!() };
        turn.replay.is_some()
    };
    assert!(kept(&with("gemini/gemini-1", json!("sig")), true));
    assert!(!kept(&with("gemini/gemini-1", json!("sig")), false));
    assert!(!kept(&with("gemini/gemini-2", json!("sig")), true));
    assert!(!kept(&with("gemini/gemini-1", json!(null)), true));
}

#[test]
fn a_conversation_says_who_answered_last() {
    let model = |kind| Turn::Model(signed(ModelTurn::default(), &provider(kind), false));
    let mut asked = question("task");
    assert_eq!(last_answerer(&asked), None);
    asked.turns.extend([model(Kind::Ollama), said("and?"), model(Kind::Gemini), said("and?")]);
    assert_eq!(last_answerer(&asked), Some("gemini/gemini-1"));
    // One that says nothing of it does not hide those before.
    asked.turns.push(Turn::Model(ModelTurn::default()));
    assert_eq!(last_answerer(&asked), Some("gemini/gemini-1"));
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let id = || proptest::sample::select(vec!["", "a", "b", "a_2", "functions.shell:0", "ä"]);
    let ids = move || proptest::collection::vec(id(), 0..4);
    let text = || proptest::sample::select(vec!["", "  ", "text"]);
    prop_oneof![
        proptest::collection::vec(text(), 0..3)
            .prop_map(|texts| Turn::User { parts: texts.into_iter().map(Part::text).collect() }),
        (text(), ids())
            .prop_map(|(text, ids)| Turn::Model(ModelTurn { text: text.into(), ..called(&ids) })),
        ids().prop_map(|ids| results(&ids)),
    ]
}

proptest! {
    #[test]
    fn whatever_was_said_the_rules_hold(asked in proptest::collection::vec(any_turn(), 0..12)) {
        let mended = turns(asked);
        assert!(matches!(mended.first(), Some(Turn::User { .. })), "{mended:?}");
        assert!(!matches!(mended.last(), Some(Turn::Model(_))), "{mended:?}");
        let mut ids = HashSet::new();
        for (at, turn) in mended.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| &mended[at]);
            check(before, turn, mended.get(at + 1), &mut ids);
        }
        prop_assert_eq!(turns(mended.clone()), mended, "mending twice is mending once");
    }
}

fn check(before: Option<&Turn>, turn: &Turn, next: Option<&Turn>, ids: &mut HashSet<String>) {
    match turn {
        Turn::User { parts } => {
            assert!(!matches!(before, Some(Turn::User { .. })) && !parts.is_empty());
        }
        Turn::Model(turn) => {
            assert!(!matches!(before, Some(Turn::Model(_))));
            assert!(!turn.text.trim().is_empty() || !turn.calls.is_empty());
            assert_eq!(turn.calls.is_empty(), !matches!(next, Some(Turn::Results { .. })));
            for ToolCall { id, .. } in &turn.calls {
                assert!(ids.insert(id.clone()), "{id} comes twice");
                assert!((1..=64).contains(&id.len()) && id.is_ascii() && !id.contains('.'), "{id}");
            }
        }
        Turn::Results { results } => {
            let Some(Turn::Model(model)) = before else { panic!("{before:?} before {turn:?}") };
            let made: Vec<_> = model.calls.iter().map(|call| &call.id).collect();
            assert_eq!(made, results.iter().map(|result| &result.call).collect::<Vec<_>>());
        }
    }
}
