//! The rule about manifests: versions are chosen in one place, the root `Cargo.toml`.

use anyhow::Context as _;
use toml::{Table, Value};

use super::Finding;

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Dependencies that do not say `workspace = true`.
///
/// # Errors
/// The manifest is no TOML.
pub(super) fn own_versions(place: &str, manifest: &str) -> anyhow::Result<Vec<Finding>> {
    let manifest: Table = manifest.parse().with_context(|| format!("read {place} as TOML"))?;
    let tables = dependency_tables(&manifest);
    let entries = tables.into_iter().flatten();
    let own = entries.filter(|(_, entry)| !is_from_workspace(entry));
    Ok(own.map(|(name, _)| finding(place, name)).collect())
}

fn finding(place: &str, name: &str) -> Finding {
    Finding {
        place: place.into(),
        what: format!("chooses the version of `{name}` by itself"),
        cure: "put the version into [workspace.dependencies] of the root Cargo.toml and write \
               `workspace = true` here",
    }
}

/// Every section of dependencies, those of `[target.'…']` too.
fn dependency_tables(manifest: &Table) -> Vec<&Table> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let places = std::iter::once(manifest).chain(targets);
    places.flat_map(|t| SECTIONS.map(|s| t.get(s))).flatten().filter_map(Value::as_table).collect()
}

fn is_from_workspace(entry: &Value) -> bool {
    entry.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(manifest: &str) -> Vec<String> {
        let findings = own_versions("Cargo.toml", manifest).unwrap();
        findings.into_iter().map(|f| f.what).collect()
    }

    #[test]
    fn a_version_of_its_own_is_found_in_every_section() {
        let manifest = r#"
            [dependencies]
            good.workspace = true
            bad = "1"
            [dev-dependencies]
            worse = { version = "1", features = ["x"] }
            [target.'cfg(unix)'.build-dependencies]
            worst = { path = "../worst" }
        "#;
        let found = names(manifest).join("\n");
        for name in ["`bad`", "`worse`", "`worst`"] {
            assert!(found.contains(name), "{name} in {found}");
        }
        assert!(!found.contains("`good`"), "{found}");
    }

    #[test]
    fn features_may_be_chosen_per_crate() {
        let manifest = "[dependencies]\ntokio = { workspace = true, features = [\"net\"] }";
        assert_eq!(names(manifest), [""; 0]);
    }
}
