//! Which crate may use which. Arrows point down only; ARCHITECTURE.md draws them.

use std::collections::BTreeSet;

use super::Finding;

/// What a crate's program may use of our own crates. A new crate gets a line here.
const MAY_USE: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("runbook", &[]),
    ("typescript", &[]),
    ("protocol", &["runbook", "types"]),
    ("agent", &["protocol", "runbook", "types"]),
    ("engine", &["types"]),
    ("images", &[]),
    ("engine-local", &["engine", "images", "protocol", "types"]),
    ("engine-docker", &["engine", "protocol", "types"]),
    ("store", &["types"]),
    ("artifacts", &["types"]),
    ("gateway", &["protocol", "types"]),
    ("models", &["types"]),
    (
        "jobs",
        &["artifacts", "engine", "gateway", "models", "protocol", "runbook", "store", "types"],
    ),
    ("portal", &["jobs", "types"]),
    ("api", &["jobs", "portal", "types"]),
    ("webhooks", &["api", "jobs", "models"]),
    (
        "cagent",
        &[
            "api",
            "engine",
            "engine-docker",
            "engine-local",
            "images",
            "jobs",
            "models",
            "portal",
            "types",
            "webhooks",
        ],
    ),
    ("testkit", &["api", "types"]),
    ("bench", &["artifacts", "engine", "engine-docker", "engine-local", "testkit", "types"]),
    ("chaos", &["testkit", "types"]),
    ("hostile", &["testkit", "types"]),
    ("xtask", &["api"]),
];

/// What the tests of every crate may use, beside all that lies below the crate.
const TESTS_MAY_USE: &[&str] = &["engine", "testkit"];

/// A crate of the workspace and the crates of the workspace it depends on.
#[derive(Debug)]
pub(super) struct Crate {
    pub(super) name: String,
    /// By `[dependencies]` and `[build-dependencies]`.
    pub(super) uses: Vec<String>,
    /// By `[dev-dependencies]`.
    pub(super) tests_use: Vec<String>,
}

/// Arrows that are not in the table, crates without a line in it, lines without a crate.
pub(super) fn forbidden(crates: &[Crate]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = crates.iter().flat_map(forbidden_of).collect();
    let gone = MAY_USE.iter().filter(|(name, _)| !crates.iter().any(|c| c.name == *name));
    findings.extend(gone.map(|(name, _)| Finding {
        place: (*name).into(),
        what: "has a line in the table of layers, but is no crate of the workspace".into(),
        cure: "remove the line from xtask/src/tidy/layers.rs",
    }));
    findings
}

fn forbidden_of(krate: &Crate) -> Vec<Finding> {
    let Some(allowed) = allowed(&krate.name) else {
        return vec![Finding {
            place: krate.name.clone(),
            what: "is not in the table of layers".into(),
            cure: "give it a line in xtask/src/tidy/layers.rs and a place in ARCHITECTURE.md",
        }];
    };
    let below = below(&krate.name);
    let tests_may = |to: &str| below.contains(to) || TESTS_MAY_USE.contains(&to);
    let uses = krate.uses.iter().filter(|to| !allowed.contains(&to.as_str()));
    let uses = uses.map(|to| Finding {
        place: krate.name.clone(),
        what: format!("may not use `{to}`"),
        cure: "move the code down to a crate both may use, pass what is needed in from above, or \
               argue for the arrow in xtask/src/tidy/layers.rs",
    });
    let tests_use = krate.tests_use.iter().filter(|to| !tests_may(to));
    let tests_use = tests_use.map(|to| Finding {
        place: krate.name.clone(),
        what: format!("may not use `{to}` in its tests"),
        cure: "test it from a crate that lies above both",
    });
    uses.chain(tests_use).collect()
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    MAY_USE.iter().find(|(n, _)| *n == name).map(|(_, uses)| *uses)
}

/// Every crate that can be reached from this one.
fn below(name: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = allowed(name).unwrap_or_default().to_vec();
    while let Some(next) = open.pop() {
        if let Some((next, uses)) = MAY_USE.iter().find(|(n, _)| *n == next)
            && found.insert(*next)
        {
            open.extend(*uses);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn krate(name: &str, uses: &[&str], tests_use: &[&str]) -> Crate {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Crate { name: name.into(), uses: owned(uses), tests_use: owned(tests_use) }
    }

    /// The workspace as the table describes it, with one crate changed.
    fn workspace_with(changed: Crate) -> Vec<Crate> {
        let mut crates: Vec<Crate> =
            MAY_USE.iter().map(|(name, uses)| krate(name, uses, &[])).collect();
        crates.retain(|c| c.name != changed.name);
        crates.push(changed);
        crates
    }

    #[test]
    fn the_table_allows_itself() {
        assert_eq!(forbidden(&workspace_with(krate("types", &[], &[]))), []);
    }

    #[test]
    fn an_upward_arrow_is_found() {
        let found = forbidden(&workspace_with(krate("gateway", &["types", "jobs"], &[])));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].place, "gateway");
        assert!(found[0].what.contains("`jobs`"), "{}", found[0].what);
    }

    #[test]
    fn tests_may_use_what_is_below_and_the_testkit() {
        let tests = ["testkit", "engine", "store", "protocol", "runbook"];
        assert_eq!(forbidden(&workspace_with(krate("api", &[], &tests))), []);
        assert_eq!(forbidden(&workspace_with(krate("store", &[], &["jobs"]))).len(), 1);
    }

    #[test]
    fn an_unknown_crate_and_a_lost_one_are_found() {
        let mut crates = workspace_with(krate("newcomer", &[], &[]));
        crates.retain(|c| c.name != "types");
        let places: Vec<String> = forbidden(&crates).into_iter().map(|f| f.place).collect();
        assert_eq!(places, ["newcomer", "types"]);
    }

    #[test]
    fn the_table_has_no_circle() {
        for (name, _) in MAY_USE {
            assert!(!below(name).contains(name), "{name} lies below itself");
        }
    }
}
