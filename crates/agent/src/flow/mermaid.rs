use std::fmt;

use super::{Flow, To};

/// A flow as a Mermaid flowchart; an edge carries the name of its action.
impl<S, T> fmt::Display for Flow<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "flowchart TD")?;
        if let Some(first) = self.nodes.first() {
            writeln!(f, "    begin((\"begin\")) --> n_{}", first.name())?;
        }
        for node in &self.nodes {
            writeln!(f, "    n_{0}[\"{0}\"]", node.name())?;
            for (action, to) in node.edges() {
                let target = match to {
                    To::Node(name) => format!("n_{name}"),
                    To::End => "finish((\"end\"))".into(),
                };
                writeln!(f, "    n_{} -->|{action}| {target}", node.name())?;
            }
        }
        Ok(())
    }
}
