//! Which origin a request means, by its `Host`: pure.
//!
//! | host | what |
//! |---|---|
//! | `localhost`, `127.0.0.1`, `[::1]`, or the domain itself | our own page |
//! | `<job>.<domain>` | a job's desktop |
//! | `lab-<job>.<domain>` | its Jupyter Lab |
//! | `<port>-<job>.<domain>` | what it serves on that port |
//!
//! Cookies know no ports: what a job serves has another name than what we serve of it, else its pages
//! could keep people out of its desktop by theirs.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::uri::Authority;
use types::JobId;

/// What is at an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Our own page.
    Own,
    /// A part of a job.
    Job(JobId, Part),
}

/// What of a job is on an origin of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Its desktop.
    Desktop,
    /// Its Jupyter Lab.
    Jupyter,
    /// What one of its programs serves on this port of its loopback.
    Port(u16),
}

/// What the name of a Jupyter Lab begins with.
const JUPYTER: &str = "lab";

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
        label.parse().map_or_else(|_| prefixed(label), |job| Some(Self::Job(job, Part::Desktop)))
    }

    /// The name of its host below this domain.
    pub(crate) fn host(self, domain: &str) -> String {
        match self {
            Self::Own => domain.into(),
            Self::Job(job, Part::Desktop) => format!("{job}.{domain}"),
            Self::Job(job, Part::Jupyter) => format!("{JUPYTER}-{job}.{domain}"),
            Self::Job(job, Part::Port(port)) => format!("{port}-{job}.{domain}"),
        }
    }
}

/// `lab-<job>`, or `<port>-<job>` with the one spelling that a port has.
fn prefixed(label: &str) -> Option<Place> {
    let (part, job) = label.split_once('-')?;
    let job = job.parse().ok()?;
    if part == JUPYTER {
        return Some(Place::Job(job, Part::Jupyter));
    }
    let number: u16 = part.parse().ok().filter(|number| *number != 0)?;
    (number.to_string() == part).then_some(Place::Job(job, Part::Port(number)))
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
            let parts = [Part::Desktop, Part::Jupyter, Part::Port(3000)];
            let parts = parts.map(|part| Place::Job(job, part));
            for at in parts.into_iter().chain([Place::Own]) {
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
        let at = place(&format!("LAB-{}.LocalHost", JOB.to_uppercase()), "localhost");
        assert_eq!(at, Some(Place::Job(JOB.parse().unwrap(), Part::Jupyter)));
    }

    #[test]
    fn other_names_are_not_ours() {
        for label in [
            "x",
            "0-",
            "lab-",
            "lab-1-JOB",
            "labs-JOB",
            "0-JOB",
            "00080-JOB",
            "+80-JOB",
            "65536-JOB",
            "-JOB",
            "a.JOB",
            "JOB.",
        ] {
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
