//! Settings: the command line first, then variables, then defaults. docs/settings.md lists them.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use reqwest::Url;

use crate::args::{EngineArgs, Global};
use crate::environment::Environment;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a server of our own needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Everything that is kept, but results.
    pub(crate) data_dir: PathBuf,
    /// One folder per job.
    pub(crate) output_dir: PathBuf,
    /// What of this machine sandboxes see beside `/usr`.
    pub(crate) expose: Vec<PathBuf>,
    /// How many jobs run at one time.
    pub(crate) concurrency: NonZeroUsize,
    /// How long a finished job is kept.
    pub(crate) retention: Duration,
}

impl Settings {
    /// Puts together what was given.
    pub(crate) fn new(
        global: &Global,
        engine: &EngineArgs,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        let data_dir = data_dir(global, environment)?;
        let output_dir = environment.get("AGENT_OUTPUT_DIR").map(PathBuf::from);
        let days = parsed(environment, "RETENTION_DAYS", days)?.unwrap_or(1);
        Ok(Self {
            output_dir: absolute(&output_dir.unwrap_or_else(|| data_dir.join("jobs")))?,
            data_dir,
            expose: expose(engine, environment),
            concurrency: parsed(environment, "CAGENT_CONCURRENCY", at_least_one)?
                .unwrap_or_else(cores),
            retention: DAY * days,
        })
    }
}

/// A number of jobs, from the command line or a variable.
pub(crate) fn at_least_one(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "expected a whole number, 1 or more")
}

/// The server that was named, if one was.
pub(crate) fn server(global: &Global, environment: &Environment) -> anyhow::Result<Option<Url>> {
    let given = global
        .server
        .clone()
        .map_or_else(|| environment.text("CAGENT_SERVER"), |url| Ok(Some(url)))?;
    given.map(|text| server_url(&text)).transpose()
}

/// Where to listen: for now nowhere but on this machine, since nobody is asked for a key.
pub(crate) fn listen(
    given: Option<String>,
    environment: &Environment,
) -> anyhow::Result<SocketAddr> {
    let given = given.map_or_else(|| environment.text("CAGENT_LISTEN"), |text| Ok(Some(text)))?;
    let given = given.unwrap_or_else(|| "127.0.0.1:8000".into());
    let address: SocketAddr =
        given.replace("localhost:", "127.0.0.1:").parse().with_context(|| {
            format!("listen on {given}: expected ADDRESS:PORT, such as 127.0.0.1:8000")
        })?;
    ensure!(
        address.ip().is_loopback(),
        "listen on {address}: refused, this version asks nobody for a key and so serves this \
         machine only; use 127.0.0.1:{}",
        address.port()
    );
    Ok(address)
}

fn server_url(text: &str) -> anyhow::Result<Url> {
    let with_scheme = if text.contains("://") { text.into() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).with_context(|| format!("the server {text}"))?;
    ensure!(url.scheme() == "http", "the server {text}: this version speaks plain http only");
    Ok(url)
}

fn data_dir(global: &Global, environment: &Environment) -> anyhow::Result<PathBuf> {
    let given =
        global.data_dir.clone().or_else(|| environment.get("CAGENT_DATA_DIR").map(Into::into));
    match given {
        Some(dir) => absolute(&dir),
        None => default_data_dir(rustix::process::geteuid().is_root(), environment),
    }
}

fn default_data_dir(is_root: bool, environment: &Environment) -> anyhow::Result<PathBuf> {
    if is_root {
        return Ok("/var/lib/cagent".into());
    }
    let absolute =
        |name| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(base) = absolute("XDG_DATA_HOME") {
        return Ok(base.join("cagent"));
    }
    match absolute("HOME") {
        Some(home) => Ok(home.join(".local/share/cagent")),
        None => bail!("HOME is not set, so there is no place to keep jobs; use --data-dir"),
    }
}

fn expose(args: &EngineArgs, environment: &Environment) -> Vec<PathBuf> {
    if !args.expose.is_empty() {
        return args.expose.clone();
    }
    let list = environment.get("CAGENT_EXPOSE").unwrap_or_default();
    std::env::split_paths(&list).filter(|path| path != OsStr::new("")).collect()
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn parsed<T>(
    environment: &Environment,
    name: &str,
    parse: fn(&str) -> Result<T, &'static str>,
) -> anyhow::Result<Option<T>> {
    let Some(text) = environment.text(name)? else { return Ok(None) };
    parse(&text).map(Some).map_err(|expected| anyhow!("{name}={text}: {expected}"))
}

fn days(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "expected a whole number of days, such as 1")
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("the directory {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Format;
    use crate::environment::tests::of;

    fn global(data_dir: Option<&str>, server: Option<&str>) -> Global {
        Global {
            data_dir: data_dir.map(Into::into),
            server: server.map(Into::into),
            format: Format::Text,
        }
    }

    #[test]
    fn the_command_line_wins_over_variables() {
        let environment = of(&[("CAGENT_DATA_DIR", "/env"), ("CAGENT_EXPOSE", "/a::/b")]);
        let settings = |dir, args| Settings::new(&global(dir, None), &args, &environment).unwrap();
        let by_variables = settings(None, EngineArgs::default());
        assert_eq!(by_variables.data_dir, Path::new("/env"));
        assert_eq!(by_variables.output_dir, Path::new("/env/jobs"));
        assert_eq!(by_variables.expose, [Path::new("/a"), Path::new("/b")]);
        assert_eq!(by_variables.retention, DAY);
        let by_args = settings(Some("/args"), EngineArgs { expose: vec!["/c".into()] });
        assert_eq!(by_args.data_dir, Path::new("/args"));
        assert_eq!(by_args.expose, [Path::new("/c")]);
    }

    #[test]
    fn a_bad_number_is_named() {
        let environment = of(&[("RETENTION_DAYS", "soon")]);
        let error = Settings::new(&global(Some("/x"), None), &EngineArgs::default(), &environment);
        let error = format!("{:#}", error.unwrap_err());
        assert_eq!(error, "RETENTION_DAYS=soon: expected a whole number of days, such as 1");
    }

    #[test]
    fn only_this_machine_is_listened_to() {
        let listen = |text: &str| listen(Some(text.into()), &of(&[]));
        assert_eq!(listen("127.0.0.1:0").unwrap().port(), 0);
        assert_eq!(listen("localhost:80").unwrap().port(), 80);
        assert!(listen("[::1]:80").is_ok());
        for refused in ["0.0.0.0:8000", "[::]:8000", "10.0.0.1:8000"] {
            assert!(listen(refused).unwrap_err().to_string().contains("127.0.0.1:8000"));
        }
        assert!(listen("8000").is_err());
        assert_eq!(super::listen(None, &of(&[])).unwrap().port(), 8000);
    }

    #[test]
    fn a_server_may_be_named_without_scheme() {
        let server = |text| server(&global(None, Some(text)), &of(&[]));
        assert_eq!(server("127.0.0.1:8000").unwrap().unwrap().as_str(), "http://127.0.0.1:8000/");
        assert!(server("https://example.com").is_err());
        let by_variable = of(&[("CAGENT_SERVER", "http://127.0.0.1:1")]);
        assert!(super::server(&global(None, None), &by_variable).unwrap().is_some());
    }

    #[test]
    fn everybody_has_a_place_for_jobs() {
        let dir = |root, pairs: &[(&str, &str)]| default_data_dir(root, &of(pairs));
        assert_eq!(dir(true, &[]).unwrap(), Path::new("/var/lib/cagent"));
        let home = ("HOME", "/home/x");
        assert_eq!(dir(false, &[home]).unwrap(), Path::new("/home/x/.local/share/cagent"));
        assert_eq!(dir(false, &[home, ("XDG_DATA_HOME", "/d")]).unwrap(), Path::new("/d/cagent"));
        assert!(dir(false, &[]).is_err());
    }
}
