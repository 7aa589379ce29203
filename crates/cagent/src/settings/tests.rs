//! Who decides a setting, and what is said of values that make no sense.

use std::ffi::OsString;
use std::path::Path;

use super::*;
use crate::value;

/// What every source says, in a directory of its own.
struct Said<'a> {
    flags: &'a [(&'static str, &'a str)],
    own: &'a [(&'a str, &'a str)],
    env_file: &'a str,
    toml: &'a str,
}

impl Said<'_> {
    fn settings(&self) -> Result<(Settings, Sources)> {
        let dir = tempfile::tempdir()?;
        let (env_file, config) = (dir.path().join(".env"), dir.path().join("c.toml"));
        std::fs::write(&env_file, self.env_file)?;
        std::fs::write(&config, self.toml)?;
        let mut own: Vec<(OsString, OsString)> =
            self.own.iter().map(|(name, value)| (name.into(), value.into())).collect();
        own.push(("HOME".into(), "/home/x".into()));
        own.push(("CAGENT_CONFIG".into(), config.into()));
        let flags = self.flags.iter().map(|(key, value)| (*key, value.into())).collect();
        let sources = Sources::read(flags, own, &env_file)?;
        Ok((Settings::new(&sources)?, sources))
    }

    fn refused(&self) -> String {
        format!("{:#}", self.settings().unwrap_err())
    }
}

const NOTHING: Said<'_> = Said { flags: &[], own: &[], env_file: "", toml: "" };

fn origin(sources: &Sources, key: &str) -> String {
    sources.origin(table::by_key(key).unwrap()).to_string()
}

#[test]
fn the_first_that_says_something_counts() {
    let toml = "concurrency = 5";
    let env_file = "CAGENT_CONCURRENCY=4";
    let own = &[("CAGENT_CONCURRENCY", "3")];
    let flags = &[("concurrency", "2")];
    for (said, jobs, from) in [
        (Said { toml, ..NOTHING }, 5, "c.toml:1"),
        (Said { toml, env_file, ..NOTHING }, 4, ".env"),
        (Said { toml, env_file, own, ..NOTHING }, 3, "environment"),
        (Said { toml, env_file, own, flags }, 2, "flag"),
    ] {
        let (settings, sources) = said.settings().unwrap();
        assert_eq!(settings.concurrency.get(), jobs);
        let origin = origin(&sources, "concurrency");
        assert!(origin.ends_with(from), "{origin}");
    }
    let (_, sources) = NOTHING.settings().unwrap();
    assert_eq!(origin(&sources, "concurrency"), "default");
}

#[test]
fn what_makes_no_sense_is_refused_with_who_said_it() {
    let own = Said { own: &[("RETENTION_DAYS", "soon")], ..NOTHING };
    let said = own.refused();
    assert_eq!(
        said,
        "RETENTION_DAYS=soon (environment): expected a whole number of days, such as 1"
    );
    let flag = Said { flags: &[("concurrency", "0")], ..NOTHING };
    assert_eq!(flag.refused(), "--concurrency 0: expected a whole number, 1 or more");
    let env_file = Said { env_file: "CAGENT_NETWORK=all/of/it", ..NOTHING };
    assert!(env_file.refused().starts_with("CAGENT_NETWORK=all/of/it (.env): expected none, open"));
    let toml = Said { toml: "\n[limits]\nmemory_bytes = 1", ..NOTHING };
    let said = toml.refused();
    assert!(said.contains("c.toml:3: limits.memory_bytes = 1: ") && said.contains("between"));
}

#[test]
fn a_ceiling_lowers_defaults_and_refuses_wishes() {
    let toml = "[ceilings]\nmemory_bytes = '1G'\n";
    let (settings, _) = Said { toml, ..NOTHING }.settings().unwrap();
    assert_eq!(settings.limits.defaults.memory_bytes, 1 << 30);
    let own = &[("CAGENT_LIMIT_MEMORY_BYTES", "1500M")];
    let said = Said { toml, own, ..NOTHING }.refused();
    assert!(said.starts_with("CAGENT_LIMIT_MEMORY_BYTES=1500M (environment): above "), "{said}");
    assert!(said.contains("ceilings.memory_bytes (1G, ") && said.contains("c.toml:2)"), "{said}");

    let own = &[("CAGENT_NETWORK_CEILING", "*.a.org")];
    let (settings, _) = Said { own, ..NOTHING }.settings().unwrap();
    assert_eq!(settings.network, value::network("*.a.org").unwrap());
    let said = Said { own, toml: "network = 'open'", ..NOTHING }.refused();
    assert!(said.contains("c.toml:1: network = open: above network_ceiling (*.a.org, "), "{said}");
}

#[test]
fn results_are_in_the_data_directory_wherever_that_is() {
    for said in [
        Said { toml: "data_dir = '/x'", ..NOTHING },
        Said { env_file: "CAGENT_DATA_DIR=/x", ..NOTHING },
    ] {
        assert_eq!(said.settings().unwrap().0.output_dir, Path::new("/x/jobs"));
    }
    let said = Said { toml: "data_dir = '/x'\noutput_dir = '/y'", ..NOTHING };
    assert_eq!(said.settings().unwrap().0.output_dir, Path::new("/y"));
}

#[test]
fn what_was_said_in_vain_is_told() {
    let said = Said {
        own: &[("CAGENT_LISTN", "x"), ("OTHER", "x")],
        env_file: "CAGENT_SERVER=x",
        ..NOTHING
    };
    let (settings, sources) = said.settings().unwrap();
    assert_eq!(settings.server, None);
    let warnings = sources.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].ends_with("did you mean CAGENT_LISTEN?"), "{warnings:?}");
    assert!(warnings[1].starts_with("CAGENT_SERVER in .env is not used"), "{warnings:?}");
}

#[test]
fn keys_are_needed_as_soon_as_others_can_come() {
    let needs = |own: &[(&str, &str)]| Said { own, ..NOTHING }.settings().unwrap().0.needs_keys();
    for inside in [
        &[][..],
        &[("CAGENT_LISTEN", "[::1]:80")],
        &[("CAGENT_LISTEN", "127.8.9.1:0")],
        &[("CAGENT_PREVIEW_DOMAIN", "jobs.localhost")],
    ] {
        assert!(!needs(inside), "{inside:?}");
    }
    for (name, value) in [
        ("CAGENT_LISTEN", "0.0.0.0:8000"),
        ("CAGENT_LISTEN", "[::]:8000"),
        ("CAGENT_DESKTOP_LISTEN", "10.0.0.1:6080"),
        ("CAGENT_JUPYTER_LISTEN", "0.0.0.0:8888"),
    ] {
        assert!(needs(&[(name, value)]), "{name}={value}");
        assert!(!needs(&[(name, value), ("CAGENT_ALLOW_NO_KEYS", "1")]), "{name}={value}");
    }
    for (name, value) in [
        ("CAGENT_PUBLIC_NAMES", "agent.example.org"),
        ("CAGENT_PREVIEW_DOMAIN", "agents.example.org"),
        ("CAGENT_PREVIEW_DOMAIN", "https://agents.example.org"),
        ("CAGENT_PREVIEW_DOMAIN", "notlocalhost"),
    ] {
        assert!(needs(&[(name, value)]), "{name}={value}");
        assert!(needs(&[(name, value), ("CAGENT_ALLOW_NO_KEYS", "1")]), "{name}={value}");
    }
}

#[test]
fn a_key_is_shown_nowhere() {
    let own = &[("CAGENT_API_KEY", "s3cret")];
    let (settings, sources) = Said { own, ..NOTHING }.settings().unwrap();
    let shown = (table::by_key("api_key").unwrap().show)(&settings);
    assert_eq!(shown.as_deref(), Some("(set)"));
    assert!(!format!("{settings:?}").contains("s3cret"));
    drop(sources);
    let bad = Said { own: &[("CAGENT_API_KEY", "s3 cret")], ..NOTHING }.refused();
    assert!(bad.contains("not shown") && !bad.contains("s3"), "{bad}");
}

#[test]
fn a_webhook_needs_its_secret_and_shows_neither() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let url = ("CAGENT_WEBHOOK_URL", "https://example.org/h00k");
    let own = &[url, ("CAGENT_WEBHOOK_SECRET", secret)];
    let (settings, _) = Said { own, ..NOTHING }.settings().unwrap();
    assert!(settings.webhook().unwrap().is_some());
    let shown = |key: &str| (table::by_key(key).unwrap().show)(&settings).unwrap();
    assert_eq!(shown("webhook_url"), "https://example.org/…");
    assert_eq!(shown("webhook_secret"), "(set)");
    for (name, value) in own {
        let half = Said { own: &[(name, value)], ..NOTHING }.refused();
        assert!(half.contains("is set without CAGENT_WEBHOOK_"), "{half}");
        let bad = Said { own: &[(name, &value[1..5])], ..NOTHING }.refused();
        assert!(bad.contains("not shown") && bad.contains("expected"), "{bad}");
    }
}

/// Which another program may read, and a person copy.
#[test]
fn what_is_shown_can_be_given() {
    let own = &[
        ("CAGENT_SERVER", "http://127.0.0.1:1/"),
        ("CAGENT_API_KEY", "k"),
        ("CAGENT_PUBLIC_NAMES", "agent.example.org"),
        ("CAGENT_EXPOSE", "/a::/b"),
        ("CAGENT_RESULTS", "50G"),
        ("DOCKER_HOST", "tcp://127.0.0.1:2375"),
        ("CAGENT_DOCKER_RUNTIME", "runsc"),
        ("CAGENT_EGRESS_ALLOW", "10.0.0.1"),
        ("CAGENT_WEBHOOK_URL", "https://example.org/hook"),
        ("CAGENT_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("RUST_LOG", "jobs=debug"),
        ("CAGENT_MODELS", "gemini,ollama"),
        ("CAGENT_MODEL_SILENCE", "90s"),
        ("GOOGLE_API_KEY", "k"),
        ("GEMINI_BASE_URL", "https://example.org/v1"),
        ("GEMINI_MODEL", "m"),
        ("GEMINI_WINDOW", "8192"),
        ("GEMINI_IMAGES", "false"),
        ("GEMINI_TOOLS", "text"),
        ("GEMINI_PRICE", "0.3/2.5"),
    ];
    let (settings, _) = Said { own, ..NOTHING }.settings().unwrap();
    let show = |settings: &Settings| -> Vec<_> {
        all().map(|setting| (setting.key, (setting.show)(settings))).collect()
    };
    let shown = show(&settings);
    let mut again = settings.clone();
    // Of the other providers nothing was said, and what a secret is shown as is none.
    let said = |key: &str| {
        (!key.starts_with("models.") || key.starts_with("models.gemini."))
            && key != "webhook_secret"
    };
    for (key, value) in shown.iter().filter(|(key, _)| said(key)) {
        let value = value.as_ref().unwrap_or_else(|| panic!("{key} is not shown"));
        (table::by_key(key).unwrap().set)(&mut again, value.as_ref()).unwrap();
    }
    assert_eq!(show(&again), shown);
    assert_eq!(settings.expose, [Path::new("/a"), Path::new("/b")]);
}
