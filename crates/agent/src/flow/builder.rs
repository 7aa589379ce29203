use std::collections::BTreeSet;

use super::wired::{Typed, Wired};
use super::{Flow, Node, Policy, To};

/// Wires nodes to a flow. The first node is where it starts.
///
/// A node's edges are one function from its action to a target, usually a `match`: an action
/// without an edge does not compile. What the compiler cannot see, `build` refuses.
pub struct FlowBuilder<S, T> {
    nodes: Vec<Box<dyn Wired<S, T>>>,
    max_transitions: usize,
}

/// A graph that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// There is nothing in it.
    #[error("the flow has no node")]
    Empty,
    /// Two nodes have the same name.
    #[error("two nodes are named {0:?}; give one another name")]
    DuplicateNode(&'static str),
    /// Two actions of a node have the same name.
    #[error("node {node:?} has two actions named {action:?}; give one another name")]
    DuplicateAction {
        /// The node.
        node: &'static str,
        /// The name.
        action: &'static str,
    },
    /// An edge leads nowhere.
    #[error("action {action:?} of node {node:?} leads to {target:?}, which does not exist")]
    UnknownTarget {
        /// The node.
        node: &'static str,
        /// Its action.
        action: &'static str,
        /// The name that no node has.
        target: &'static str,
    },
    /// No path leads to a node.
    #[error("no edge leads to node {0:?}; wire it or leave it out")]
    Unreachable(&'static str),
    /// No path leads out of the flow.
    #[error("no path leads from node {0:?} to the end")]
    Endless(&'static str),
}

impl<S, T> std::fmt::Debug for FlowBuilder<S, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.nodes.iter().map(|node| node.name())).finish()
    }
}

impl<S, T> FlowBuilder<S, T> {
    /// An empty graph whose runs visit at most `max_transitions` nodes.
    #[must_use]
    pub fn new(max_transitions: usize) -> Self {
        Self { nodes: Vec::new(), max_transitions }
    }

    /// Adds a node under a name, with where each of its actions leads.
    #[must_use]
    pub fn node<N: Node<S, T> + 'static>(
        mut self,
        name: &'static str,
        node: N,
        policy: Policy,
        edge: impl Fn(N::Action) -> To + 'static,
    ) -> Self {
        self.nodes.push(Box::new(Typed { name, node, policy, edge }));
        self
    }

    /// The flow.
    ///
    /// # Errors
    /// [`BuildError`]
    pub fn build(self) -> Result<Flow<S, T>, BuildError> {
        let graph = Graph::of(&self.nodes);
        graph.check_names()?;
        graph.check_targets()?;
        graph.check_paths()?;
        Ok(Flow { nodes: self.nodes, max_transitions: self.max_transitions })
    }
}

/// Names and edges only.
struct Graph {
    nodes: Vec<(&'static str, Vec<(&'static str, To)>)>,
}

impl Graph {
    fn of<S, T>(nodes: &[Box<dyn Wired<S, T>>]) -> Self {
        Self { nodes: nodes.iter().map(|node| (node.name(), node.edges())).collect() }
    }

    fn check_names(&self) -> Result<(), BuildError> {
        let mut names = BTreeSet::new();
        for (node, edges) in &self.nodes {
            if !names.insert(*node) {
                return Err(BuildError::DuplicateNode(node));
            }
            let mut actions = BTreeSet::new();
            if let Some((action, _)) = edges.iter().find(|(action, _)| !actions.insert(*action)) {
                return Err(BuildError::DuplicateAction { node, action });
            }
        }
        Ok(())
    }

    fn check_targets(&self) -> Result<(), BuildError> {
        for (node, edges) in &self.nodes {
            for (action, to) in edges {
                if let To::Node(target) = *to
                    && !self.nodes.iter().any(|(name, _)| *name == target)
                {
                    return Err(BuildError::UnknownTarget { node, action, target });
                }
            }
        }
        Ok(())
    }

    fn check_paths(&self) -> Result<(), BuildError> {
        let (start, _) = self.nodes.first().ok_or(BuildError::Empty)?;
        let forward: Vec<(To, To)> = self
            .nodes
            .iter()
            .flat_map(|(node, edges)| edges.iter().map(|(_, to)| (To::Node(node), *to)))
            .collect();
        let backward: Vec<(To, To)> = forward.iter().map(|(from, to)| (*to, *from)).collect();
        let reachable = closure(To::Node(start), &forward);
        let ending = closure(To::End, &backward);
        for (node, _) in &self.nodes {
            if !reachable.contains(&To::Node(node)) {
                return Err(BuildError::Unreachable(node));
            }
            if !ending.contains(&To::Node(node)) {
                return Err(BuildError::Endless(node));
            }
        }
        Ok(())
    }
}

/// Everything the edges lead to from here.
fn closure(from: To, edges: &[(To, To)]) -> Vec<To> {
    let mut seen = vec![from];
    let mut next = 0;
    while let Some(here) = seen.get(next).copied() {
        for (_, to) in edges.iter().filter(|(from, _)| *from == here) {
            if !seen.contains(to) {
                seen.push(*to);
            }
        }
        next += 1;
    }
    seen
}
