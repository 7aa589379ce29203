//! The way to the daemon, and what its errors mean for people.

use std::io::ErrorKind;
use std::path::Path;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use engine::EngineError;
use types::JobId;

use crate::ENGINE;

/// How long a call may take until its answer begins. Docker itself waits longer for nothing.
const PATIENCE_SECONDS: u64 = 120;

/// The oldest API we speak: that of Docker 20.10 and Podman 4.
const OLDEST: (usize, usize) = (1, 41);

/// Where daemons listen on a machine, in the order they are tried; the last two for one's own user.
const SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/podman/podman.sock"];
const USER_SOCKETS: [&str; 2] = ["docker.sock", "podman/podman.sock"];

/// Connects to the daemon that `DOCKER_HOST` names, or to the machine's own, for what is no sandbox.
///
/// # Errors
/// When none answers there, with what to do.
pub async fn connect(host: Option<&str>) -> Result<Docker, EngineError> {
    Address::parse(host)?.connect().await
}

/// Where a daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A unix socket of this machine.
    Unix(String),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl Address {
    /// What `DOCKER_HOST` names; the machine's own daemon if it names none.
    pub(crate) fn parse(host: Option<&str>) -> Result<Self, EngineError> {
        let Some(host) = host.filter(|host| !host.is_empty()) else { return Ok(Self::usual()) };
        match host.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("tcp" | "http", at)) if has_port(at) => {
                Ok(Self::Tcp(at.trim_end_matches('/').into()))
            }
            _ => Err(unavailable(
                format!("DOCKER_HOST is {host:?}"),
                "use unix:///path/of/docker.sock or tcp://host:port; a daemon behind TLS or ssh is reached by \
                 a forwarded socket: ssh -nNT -L /run/far.sock:/var/run/docker.sock HOST",
            )),
        }
    }

    fn usual() -> Self {
        let own = std::env::var("XDG_RUNTIME_DIR").ok().filter(|dir| !dir.is_empty());
        let own = own.iter().flat_map(|dir| USER_SOCKETS.map(|name| format!("{dir}/{name}")));
        let mut all = SOCKETS.map(String::from).into_iter().chain(own);
        let found = all.find(|path| Path::new(path).exists());
        Self::Unix(found.unwrap_or_else(|| SOCKETS[0].into()))
    }

    /// Connects and agrees on a version.
    pub(crate) async fn connect(&self) -> Result<Docker, EngineError> {
        let docker = match self {
            Self::Unix(path) => {
                Docker::connect_with_unix(path, PATIENCE_SECONDS, API_DEFAULT_VERSION)
            }
            Self::Tcp(at) => Docker::connect_with_http(
                &format!("tcp://{at}"),
                PATIENCE_SECONDS,
                API_DEFAULT_VERSION,
            ),
        };
        let docker = docker.map_err(|e| self.unreachable(&e))?;
        let docker = docker.negotiate_version().await.map_err(|e| self.unreachable(&e))?;
        let version = docker.client_version();
        if (version.major_version, version.minor_version) < OLDEST {
            return Err(unavailable(
                format!("the daemon at {self} speaks version {version} of the API only"),
                "use Docker 20.10 or newer, or Podman 4 or newer",
            ));
        }
        Ok(docker)
    }

    pub(crate) fn unreachable(&self, error: &Error) -> EngineError {
        let cure = match io_kind(error) {
            Some(ErrorKind::PermissionDenied) => {
                "run cagent as root, or add its user to the group that owns the socket: usermod -aG docker USER"
            }
            Some(ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                "start the daemon (systemctl start docker), or name it with DOCKER_HOST"
            }
            _ => "see that it is a Docker or Podman daemon, and that it answers: docker version",
        };
        let why = format!("no answer from the daemon at {self}: {}", root_of(error));
        useless(error, why, cure)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Tcp(at) => write!(f, "tcp://{at}"),
        }
    }
}

fn has_port(at: &str) -> bool {
    let at = at.trim_end_matches('/');
    at.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

pub(crate) fn unavailable(why: String, cure: impl Into<String>) -> EngineError {
    EngineError::Unavailable { engine: ENGINE, why, cure: cure.into() }
}

/// The engine cannot be used, or not at this moment, as this error says.
pub(crate) fn useless(error: &Error, why: String, cure: &str) -> EngineError {
    match is_away(error) {
        true => EngineError::Away { engine: ENGINE, why, cure: cure.into() },
        false => unavailable(why, cure),
    }
}

/// What a call about a job's sandbox failed with.
pub(crate) fn failed(job: JobId, what: &str, error: &Error) -> EngineError {
    let message = format!("{what}: {}", root_of(error));
    if !is_away(error) {
        return EngineError::Setup { job, message };
    }
    let cure = "see that it answers: docker version".into();
    EngineError::Away { engine: ENGINE, why: message, cure }
}

/// Whether nobody answered, as while a daemon is started again.
fn is_away(error: &Error) -> bool {
    let kind = matches!(
        error,
        Error::SocketNotFoundError(_)
            | Error::RequestTimeoutError
            | Error::HyperResponseError { .. }
            | Error::HyperLegacyError { .. }
            | Error::IOError { .. }
    );
    kind && io_kind(error) != Some(ErrorKind::PermissionDenied)
}

/// The status of an answer that refuses.
pub(crate) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether the daemon says that there is no such thing.
pub(crate) fn is_gone(error: &Error) -> bool {
    status(error) == Some(404)
}

/// A refused creation: the image's fault, if the daemon has no such image.
pub(crate) fn refused(image: &str, error: &Error) -> Option<EngineError> {
    let text = root_of(error);
    let lower = text.to_lowercase();
    if !is_gone(error) || !lower.contains("image") {
        return None;
    }
    let usual = image.split(':').next() == Some("containerized-agent");
    let cure = if usual {
        "build it: cagent image build".into()
    } else {
        format!("build or pull it (docker pull {image}), or use cagent image build")
    };
    Some(EngineError::Image {
        image: image.into(),
        why: "the daemon does not have it".into(),
        cure,
    })
}

/// The words of an error that say most: those of the daemon, or of the system.
pub(crate) fn root_of(error: &Error) -> String {
    if let Error::DockerResponseServerError { message, .. } = error {
        return message.trim().into();
    }
    let mut at: &dyn std::error::Error = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

fn io_kind(error: &Error) -> Option<ErrorKind> {
    if matches!(error, Error::SocketNotFoundError(_)) {
        return Some(ErrorKind::NotFound);
    }
    let mut at: Option<&dyn std::error::Error> = Some(error);
    while let Some(one) = at {
        if let Some(io) = one.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        at = one.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_the_daemon_is() {
        let parse = |host| Address::parse(Some(host)).map_err(|e| e.to_string());
        assert_eq!(parse("unix:///x/y.sock"), Ok(Address::Unix("/x/y.sock".into())));
        for host in ["tcp://10.0.0.1:2375", "http://10.0.0.1:2375/"] {
            assert_eq!(parse(host), Ok(Address::Tcp("10.0.0.1:2375".into())), "{host}");
        }
        for bad in [
            "x",
            "ssh://me@far",
            "https://far:2376",
            "tcp://far",
            "tcp://:1",
            "unix://x",
            "tcp://a:b",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.contains(bad) && error.contains("tcp://host:port"), "{error}");
        }
        assert!(matches!(Address::parse(Some("")), Ok(Address::Unix(_))));
    }

    #[test]
    fn a_missing_image_is_told_from_other_things_that_are_missing() {
        let answer = |status_code, message: &str| Error::DockerResponseServerError {
            status_code,
            message: message.into(),
        };
        let cure = |image| match refused(image, &answer(404, "No such image: x:latest")) {
            Some(EngineError::Image { cure, .. }) => cure,
            other => panic!("{other:?}"),
        };
        assert!(cure("containerized-agent:latest").contains("cagent image build"));
        assert!(cure("debian:12").contains("docker pull debian:12"));
        assert!(refused("x", &answer(404, "No such container: y")).is_none());
        assert!(refused("x", &answer(500, "image broken")).is_none());
    }
}
