use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::wired::LocalFuture;
use super::*;

actions! {
    enum Turn { Left = "left", Right = "right" }
}

/// What the test nodes leave behind: their own name at each visit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Trail {
    visits: Vec<String>,
    /// Turns to take, last first; left when there are none.
    turns: Vec<bool>,
}

/// Fails `failures` times, then turns as the state says.
#[derive(Default)]
struct Walker {
    name: &'static str,
    failures: RefCell<u32>,
    slow: Option<Duration>,
}

fn walker(name: &'static str) -> Walker {
    Walker { name, ..Walker::default() }
}

impl Node<Trail, ()> for Walker {
    type In = bool;
    type Out = bool;
    type Action = Turn;

    fn prepare(&self, state: &Trail) -> bool {
        state.turns.last().copied().unwrap_or_default()
    }

    async fn execute(
        &self,
        right: &bool,
        (): &(),
        _: &CancellationToken,
    ) -> Result<bool, NodeError> {
        if let Some(slow) = self.slow {
            tokio::time::sleep(slow).await;
        }
        let mut failures = self.failures.borrow_mut();
        if *failures > 0 {
            *failures -= 1;
            return Err("stumbled".into());
        }
        Ok(*right)
    }

    fn decide(&self, state: &mut Trail, _: bool, right: bool) -> Turn {
        state.turns.pop();
        state.visits.push(self.name.into());
        if right { Turn::Right } else { Turn::Left }
    }
}

#[derive(Default)]
struct Recorder(RefCell<Vec<Event>>);

impl Sink for Recorder {
    fn record(&self, event: Event) -> LocalFuture<'_, ()> {
        Box::pin(async move { self.0.borrow_mut().push(event) })
    }
}

fn both(to: To) -> impl Fn(Turn) -> To {
    move |_| to
}

/// a -left-> b -> end, a -right-> a
fn small(a: Walker, policy: Policy) -> Flow<Trail, ()> {
    FlowBuilder::new(100)
        .node("a", a, policy, |turn| match turn {
            Turn::Left => To::Node("b"),
            Turn::Right => To::Node("a"),
        })
        .node("b", walker("b"), Policy::once(), both(To::End))
        .build()
        .unwrap()
}

async fn run(flow: &Flow<Trail, ()>, state: Trail, sink: &Recorder) -> Result<Trail, FlowError> {
    flow.run(flow.start(state), &(), &CancellationToken::new(), sink).await
}

#[tokio::test(start_paused = true)]
async fn walks_the_edges_and_tells_in_order() {
    let flow = small(walker("a"), Policy::once());
    let seen = Recorder::default();
    let start = Trail { turns: vec![false, true], ..Trail::default() };
    let end = run(&flow, start, &seen).await.unwrap();
    assert_eq!(end.visits, ["a", "a", "b"]);
    let told: Vec<String> = seen.0.borrow().iter().map(short).collect();
    assert_eq!(told, ["a?", "a:right", "@a", "a?", "a:left", "@b", "b?", "b:left"]);
}

fn short(event: &Event) -> String {
    match event {
        Event::Started { node, .. } => format!("{node}?"),
        Event::Finished { node, result: Ok(action), .. } => format!("{node}:{action}"),
        Event::Finished { node, result: Err(error), .. } => format!("{node}!{error}"),
        Event::Checkpoint { node, .. } => format!("@{node}"),
    }
}

#[tokio::test(start_paused = true)]
async fn tries_again_with_growing_pauses() {
    let policy = Policy { retries: 3, backoff: Duration::from_secs(1), timeout: None };
    let a = Walker { failures: 3.into(), ..walker("a") };
    let began = Instant::now();
    let end = run(&small(a, policy), Trail::default(), &Recorder::default()).await.unwrap();
    assert_eq!(end.visits, ["a", "b"], "a failed try leaves no trace in the state");
    assert_eq!(began.elapsed(), Duration::from_secs(1 + 2 + 4));
}

#[tokio::test(start_paused = true)]
async fn gives_up_after_the_last_try() {
    let policy = Policy { retries: 1, backoff: Duration::ZERO, timeout: None };
    let a = Walker { failures: 2.into(), ..walker("a") };
    let error = run(&small(a, policy), Trail::default(), &Recorder::default()).await.unwrap_err();
    assert_eq!(error.to_string(), r#"node "a" failed (try 2): stumbled"#);
}

#[tokio::test(start_paused = true)]
async fn a_slow_try_fails() {
    let policy = Policy { timeout: Some(Duration::from_secs(5)), ..Policy::once() };
    let a = Walker { slow: Some(Duration::from_secs(6)), ..walker("a") };
    let error = run(&small(a, policy), Trail::default(), &Recorder::default()).await.unwrap_err();
    assert_eq!(error.to_string(), r#"node "a" failed (try 1): took longer than 5s"#);
}

#[tokio::test(start_paused = true)]
async fn goes_in_circles_only_so_long() {
    let flow = small(walker("a"), Policy::once());
    let start = Trail { turns: vec![true; 101], ..Trail::default() };
    let error = run(&flow, start, &Recorder::default()).await.unwrap_err();
    assert!(matches!(error, FlowError::TooManyTransitions(100)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_a_pause() {
    let policy = Policy { retries: 9, backoff: Duration::from_secs(30), timeout: None };
    let flow = small(Walker { failures: 9.into(), ..walker("a") }, policy);
    let cancel = CancellationToken::new();
    let seen = Recorder::default();
    let began = Instant::now();
    let (result, ()) =
        tokio::join!(flow.run(flow.start(Trail::default()), &(), &cancel, &seen), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            cancel.cancel();
        });
    assert!(matches!(result, Err(FlowError::Cancelled)));
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_flow_starts_nothing() {
    let flow = small(walker("a"), Policy::once());
    let cancel = CancellationToken::new();
    cancel.cancel();
    let seen = Recorder::default();
    let result = flow.run(flow.start(Trail::default()), &(), &cancel, &seen).await;
    assert!(matches!(result, Err(FlowError::Cancelled)));
    assert!(seen.0.borrow().is_empty());
}

#[test]
fn refuses_graphs_that_make_no_sense() {
    let empty = FlowBuilder::<Trail, ()>::new(1).build();
    assert_eq!(empty.unwrap_err(), BuildError::Empty);
    let twice = |to| {
        FlowBuilder::new(1).node("a", walker("a"), Policy::once(), both(to)).node(
            "a",
            walker("a"),
            Policy::once(),
            both(To::End),
        )
    };
    assert_eq!(twice(To::End).build().unwrap_err(), BuildError::DuplicateNode("a"));
    let one = |to| FlowBuilder::new(1).node("a", walker("a"), Policy::once(), both(to));
    assert_eq!(
        one(To::Node("z")).build().unwrap_err(),
        BuildError::UnknownTarget { node: "a", action: "left", target: "z" }
    );
    assert_eq!(one(To::Node("a")).build().unwrap_err(), BuildError::Endless("a"));
    let island = one(To::End).node("b", walker("b"), Policy::once(), both(To::Node("a")));
    assert_eq!(island.build().unwrap_err(), BuildError::Unreachable("b"));
}

#[test]
fn a_checkpoint_of_another_flow_is_refused() {
    let flow = small(walker("a"), Policy::once());
    let error = flow.resume("c", serde_json::json!({})).unwrap_err();
    assert!(matches!(error, FlowError::UnknownNode(_)), "{error}");
    let error = flow.resume("a", serde_json::json!({"visits": 3})).unwrap_err();
    assert!(matches!(error, FlowError::State(_)), "{error}");
}

#[test]
fn draws_itself() {
    let drawing = small(walker("a"), Policy::once()).to_string();
    let lines: Vec<&str> = drawing.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "flowchart TD",
            r#"begin(("begin")) --> n_a"#,
            r#"n_a["a"]"#,
            "n_a -->|left| n_b",
            "n_a -->|right| n_a",
            r#"n_b["b"]"#,
            r#"n_b -->|left| finish(("end"))"#,
            r#"n_b -->|right| finish(("end"))"#,
        ]
    );
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Edges of node `i`: to the node of that index, or out if there is none.
type Edges = Vec<(usize, usize)>;

fn target(index: usize, nodes: usize) -> To {
    if index < nodes { To::Node(NAMES[index]) } else { To::End }
}

fn graph(edges: &Edges) -> Result<Flow<Trail, ()>, BuildError> {
    let nodes = edges.len();
    let mut builder = FlowBuilder::new(50);
    for (index, (left, right)) in edges.iter().copied().enumerate() {
        let name = NAMES[index];
        builder = builder.node(name, walker(name), Policy::once(), move |turn| match turn {
            Turn::Left => target(left, nodes),
            Turn::Right => target(right, nodes),
        });
    }
    builder.build()
}

/// The same walk, written down plainly: the visits, and whether it got out.
fn plain_walk(edges: &Edges, mut turns: Vec<bool>) -> (Vec<String>, bool) {
    let (mut at, mut visits) = (0, Vec::new());
    while visits.len() < 50 {
        visits.push(NAMES[at].into());
        let (left, right) = edges[at];
        at = if turns.pop().unwrap_or_default() { right } else { left };
        if at >= edges.len() {
            return (visits, true);
        }
    }
    (visits, false)
}

fn graphs() -> impl Strategy<Value = (Edges, Vec<bool>)> {
    let edges = (1..=NAMES.len()).prop_flat_map(|n| prop::collection::vec((0..=n, 0..=n), n));
    (edges, prop::collection::vec(any::<bool>(), 0..60))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    /// Every graph that is built walks exactly as its edges say, and from any of its checkpoints
    /// goes on to the same end.
    #[test]
    fn walks_as_wired_and_resumes_anywhere((edges, turns) in graphs()) {
        let Ok(flow) = graph(&edges) else { return Ok(()) };
        let (visits, gets_out) = plain_walk(&edges, turns.clone());
        let seen = Recorder::default();
        let result = block_on(run(&flow, Trail { turns, ..Trail::default() }, &seen));
        prop_assert_eq!(result.is_ok(), gets_out);
        let Ok(end) = result else { return Ok(()) };
        prop_assert_eq!(&end.visits, &visits);
        for event in seen.0.into_inner() {
            if let Event::Checkpoint { node, state } = event {
                let position = flow.resume(node, state).unwrap();
                let cancel = CancellationToken::new();
                let again = block_on(flow.run(position, &(), &cancel, &Recorder::default())).unwrap();
                prop_assert_eq!(&again, &end);
            }
        }
    }

    /// A graph is built exactly if every node lies on a path from the first node to the end.
    #[test]
    fn builds_what_makes_sense((edges, _) in graphs()) {
        let n = edges.len();
        let mut reach = vec![vec![false; n + 1]; n + 1];
        for (from, (left, right)) in edges.iter().enumerate() {
            reach[from][*left] = true;
            reach[from][*right] = true;
        }
        for k in 0..=n { for i in 0..=n { for j in 0..=n {
            reach[i][j] |= reach[i][k] && reach[k][j];
        }}}
        let sensible = (0..n).all(|i| (i == 0 || reach[0][i]) && reach[i][n]);
        prop_assert_eq!(graph(&edges).is_ok(), sensible);
    }
}
