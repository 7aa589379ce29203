//! What somebody may have meant by a name that is none of ours.

use super::table;

/// What the names of our variables begin with that are not older than we are.
pub(super) const OURS: &str = "CAGENT_";

/// As similar as a slip of the finger leaves a name, by the measure of `strsim::jaro`.
const SIMILAR: f64 = 0.8;

/// What to say of a variable.
pub(super) fn unknown_variable(name: &str) -> String {
    unknown(name, meant_variable(name))
}

/// What to say of a key of `cagent.toml`.
pub(super) fn unknown_key(name: &str) -> String {
    // It may have been meant without its table.
    let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let alike = |key| strsim::jaro(name, key).max(strsim::jaro(name, last(key)));
    unknown(name, nearest(table::all().map(|setting| (alike(setting.key), setting.key))))
}

/// The variable that was meant by one that is none, if it is like one.
pub(super) fn meant_variable(name: &str) -> Option<&'static str> {
    // What all of them begin with makes none of them alike.
    let own = |name: &str| name.trim_start_matches(OURS).to_owned();
    let alike = |other| strsim::jaro(&own(name), &own(other));
    nearest(table::all().map(|setting| (alike(setting.variable), setting.variable)))
}

fn nearest(names: impl Iterator<Item = (f64, &'static str)>) -> Option<&'static str> {
    let nearest = names.reduce(|best, next| if next.0 > best.0 { next } else { best });
    nearest.filter(|(alike, _)| *alike >= SIMILAR).map(|(_, name)| name)
}

fn unknown(name: &str, meant: Option<&str>) -> String {
    let hint = match meant {
        Some(other) => format!("did you mean {other}?"),
        None => "`cagent config` lists what there is".into(),
    };
    format!("there is no setting {name}; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_nothing_far_fetched() {
        for (name, meant) in [
            ("lisen", "listen"),
            ("limit.memory_bytes", "limits.memory_bytes"),
            ("memory_bytes", "limits.memory_bytes"),
            ("ceilings.wall_second", "ceilings.wall_seconds"),
            ("retention-days", "retention_days"),
        ] {
            assert!(unknown_key(name).ends_with(&format!("did you mean {meant}?")), "{name}");
        }
        assert!(unknown_key("colour").ends_with("`cagent config` lists what there is"));
        let variable = unknown_variable("CAGENT_LIMITS_CPUS");
        assert!(variable.ends_with("did you mean CAGENT_LIMIT_CPUS?"), "{variable}");
        assert_eq!(meant_variable("CAGENT_LISTN"), Some("CAGENT_LISTEN"));
        assert_eq!(meant_variable("CAGENT_RETENTION_DAYS"), Some("RETENTION_DAYS"));
        // Those that `cargo run` leaves to us from our own build.
        for name in ["CAGENT_HELPER", "CAGENT_AGENTD", "CAGENT_TS", "CAGENT_TOOLS_HASH"] {
            assert_eq!(meant_variable(name), None, "{name}");
        }
    }
}
