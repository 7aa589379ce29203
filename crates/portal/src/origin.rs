//! Which origin a request means, by its `Host`: pure.
//!
//! | host | what |
//! |---|---|
//! | `localhost`, `127.0.0.1`, `[::1]`, or the domain itself | our own page |
//! | `<job>.<domain>` | a job |
//! | `<port>-<job>.<domain>` | what a job serves on that port |

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::uri::Authority;
use types::JobId;

/// What is at an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Our own page.
    Own,
    /// A job, or what one of its programs serves.
    Job {
        /// The job.
        job: JobId,
        /// The port of its loopback; none for the desktop or Jupyter, as the listener has it.
        port: Option<u16>,
    },
}

impl Place {
    /// What this `Host` means below this domain; none if it is not ours.
    pub(crate) fn of(host: &Authority, domain: &str) -> Option<Self> {
        if host.as_str().contains('@') {
            return None;
        }
        let name = host.host().to_ascii_lowercase();
        if name == domain || is_loopback(&name) {
            return Some(Self::Own);
        }
        Self::labelled(name.strip_suffix(domain)?.strip_suffix('.')?)
    }

    /// What this name below the domain means.
    pub(crate) fn labelled(label: &str) -> Option<Self> {
        label.parse().map_or_else(|_| preview(label), |job| Some(Self::Job { job, port: None }))
    }

    /// The name of its host below this domain.
    pub(crate) fn host(self, domain: &str) -> String {
        match self {
            Self::Own => domain.into(),
            Self::Job { job, port: None } => format!("{job}.{domain}"),
            Self::Job { job, port: Some(port) } => format!("{port}-{job}.{domain}"),
        }
    }
}

/// `<port>-<job>`, with the one spelling that a port has.
fn preview(label: &str) -> Option<Place> {
    let (port, job) = label.split_once('-')?;
    let number: u16 = port.parse().ok().filter(|number| *number != 0)?;
    let job = job.parse().ok()?;
    (number.to_string() == port).then_some(Place::Job { job, port: Some(number) })
}

fn is_loopback(name: &str) -> bool {
    let v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    name == "localhost"
        || name.parse().is_ok_and(|v4: Ipv4Addr| v4.is_loopback())
        || v6.is_some_and(|v6| v6.parse() == Ok(Ipv6Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f";

    fn place(host: &str, domain: &str) -> Option<Place> {
        Place::of(&Authority::try_from(host).ok()?, domain)
    }

    #[test]
    fn every_origin_is_read_as_it_is_written() {
        let job = JOB.parse().unwrap();
        for domain in ["localhost", "agents.example.org"] {
            for at in
                [Place::Own, Place::Job { job, port: None }, Place::Job { job, port: Some(3000) }]
            {
                assert_eq!(place(&at.host(domain), domain), Some(at));
                assert_eq!(place(&format!("{}:6080", at.host(domain)), domain), Some(at));
            }
        }
    }

    #[test]
    fn our_own_page_has_the_names_of_this_machine() {
        for host in ["localhost", "LOCALHOST:6080", "127.0.0.1:6080", "[::1]:6080"] {
            assert_eq!(place(host, "example.org"), Some(Place::Own), "{host}");
        }
    }

    #[test]
    fn capitals_mean_nothing() {
        let at = place(&format!("{}.LocalHost", JOB.to_uppercase()), "localhost");
        assert_eq!(at, Some(Place::Job { job: JOB.parse().unwrap(), port: None }));
    }

    #[test]
    fn other_names_are_not_ours() {
        for label in
            ["x", "0-", "0-JOB", "00080-JOB", "+80-JOB", "65536-JOB", "-JOB", "a.JOB", "JOB."]
        {
            let host = format!("{}.localhost:6080", label.replace("JOB", JOB));
            assert_eq!(place(&host, "localhost"), None, "{host}");
        }
        for host in ["", "example.com", "localhost.example.com", "10.0.0.1", "localhost.", "[::2]"]
        {
            assert_eq!(place(host, "localhost"), None, "{host}");
        }
        assert_eq!(place(&format!("{JOB}.localhost"), "example.org"), None);
        assert_eq!(place(&format!("{JOB}xlocalhost"), "localhost"), None);
        assert_eq!(place("evil.com@localhost", "localhost"), None);
    }
}
