//! A hostile program, and what its head says of it: lines `# word: text` before the first that is none.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::Engine;

/// One program of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// `group/name`.
    pub(crate) name: String,
    /// What it may say that refused it; or `ends REASON`, where its job is to end that way.
    expects: Vec<String>,
    /// The same under Docker, where something else refuses it.
    docker: Option<Vec<String>>,
    /// The one engine where it is an attack; elsewhere it may be what anybody may do.
    only: Option<String>,
    /// What its job may reach.
    pub(crate) network: Value,
    /// What of its job's limits is its own.
    pub(crate) limits: Map<String, Value>,
    /// A file of its workspace that is read over and over while it runs.
    pub(crate) reads: Option<String>,
    pub(crate) code: String,
}

impl Entry {
    /// # Errors
    /// When its head says too little, or what nobody understands.
    pub(crate) fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let mut entry = Self {
            name: name.into(),
            expects: vec![],
            docker: None,
            only: None,
            network: json!("none"),
            limits: Map::new(),
            reads: None,
            code: text.into(),
        };
        let mut told = vec![];
        for line in text.lines().map_while(|line| line.strip_prefix("# ")) {
            let (word, text) = line.split_once(": ").context("a line of its head has no colon")?;
            told.push(word);
            match word {
                "tries" | "layer" => {}
                "expects" => entry.expects = alternatives(text),
                "docker" => entry.docker = Some(alternatives(text)),
                "only" => entry.only = Some(text.into()),
                "network" => entry.network = serde_json::from_str(text).unwrap_or(json!(text)),
                "limits" => entry.limits = serde_json::from_str(text).context("its limits")?,
                "reads" => entry.reads = Some(text.into()),
                _ => bail!("its head has `{word}`, which means nothing"),
            }
        }
        for word in ["tries", "expects", "layer"] {
            anyhow::ensure!(told.contains(&word), "its head lacks `# {word}: …`");
        }
        Ok(entry)
    }

    /// The part of the catalogue that it is in.
    pub(crate) fn group(name: &str) -> &str {
        name.split_once('/').map_or(name, |(group, _)| group)
    }

    /// Whether this engine is to refuse it.
    pub(crate) fn is_for(&self, engine: Engine) -> bool {
        self.only.as_ref().is_none_or(|only| only == engine.name())
    }

    /// What may refuse it.
    pub(crate) fn expected(&self, engine: Engine) -> &[String] {
        match (&self.docker, engine) {
            (Some(docker), Engine::Docker) => docker,
            _ => &self.expects,
        }
    }
}

fn alternatives(text: &str) -> Vec<String> {
    text.split(" | ").map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# tries: much\n# expects: EPERM | ENOSYS\n# layer: seccomp\nrun()\n# no: head\n";

    #[test]
    fn the_head_ends_where_the_code_begins() {
        let entry = Entry::parse("group/name", TEXT).unwrap();
        assert_eq!(entry.expected(Engine::Local), ["EPERM", "ENOSYS"]);
        assert_eq!(entry.expected(Engine::Docker), ["EPERM", "ENOSYS"]);
        assert_eq!((entry.network, entry.code.as_str()), (json!("none"), TEXT));
        assert_eq!(Entry::group(&entry.name), "group");
    }

    #[test]
    fn more_can_be_said() {
        let more = "# only: local\n# docker: EIO\n# network: [\"a.org\"]\n# limits: {\"cpus\": 1}\n# reads: a/b\n";
        let entry = Entry::parse("n", &format!("{more}{TEXT}")).unwrap();
        assert_eq!(entry.expected(Engine::Docker), ["EIO"]);
        assert!(entry.is_for(Engine::Local) && !entry.is_for(Engine::Docker));
        assert_eq!((entry.network, entry.reads.as_deref()), (json!(["a.org"]), Some("a/b")));
        assert_eq!(entry.limits["cpus"], json!(1));
    }

    #[test]
    fn a_head_that_says_too_little_or_nonsense_is_refused() {
        for bad in ["", "# tries: x\n# layer: y\n", "# whatever: x\n", "# no colon\n"] {
            assert!(Entry::parse("n", &format!("{bad}run()\n")).is_err(), "{bad}");
        }
    }
}
