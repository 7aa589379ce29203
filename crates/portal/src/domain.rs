//! What every origin of ours ends in, and how browsers come to it: pure.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// Where TLS is spoken unless a port is named.
const TLS_PORT: NonZeroU16 = NonZeroU16::new(443).unwrap();

/// `localhost`, or a domain whose every name leads here; `https://` and that domain where a proxy
/// with TLS is before us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The domain alone.
    pub name: String,
    /// The port of the proxy, for desktops, previews and Jupyter alike.
    pub tls: Option<NonZeroU16>,
}

/// It is no domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a domain, such as agents.example.org, or https://agents.example.org behind a proxy with TLS"
)]
pub struct NoDomain;

impl Domain {
    /// Whether its names lead every machine to itself.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.name == "localhost" || self.name.ends_with(".localhost")
    }

    /// The origin of a host below it, without a slash at its end: the proxy's, or this port's.
    pub(crate) fn origin(&self, host: &str, port: u16) -> String {
        match self.tls {
            None => format!("http://{host}:{port}"),
            Some(TLS_PORT) => format!("https://{host}"),
            Some(port) => format!("https://{host}:{port}"),
        }
    }
}

impl FromStr for Domain {
    type Err = NoDomain;

    fn from_str(text: &str) -> Result<Self, NoDomain> {
        let (name, tls) = match text.strip_prefix("https://") {
            None => (text, None),
            Some(rest) => {
                let rest = rest.strip_suffix('/').unwrap_or(rest);
                let (name, port) = match rest.split_once(':') {
                    None => (rest, TLS_PORT),
                    Some((name, port)) => (name, port.parse().map_err(|_| NoDomain)?),
                };
                (name, Some(port))
            }
        };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_name = !name.is_empty() && name.bytes().all(fits);
        is_name.then(|| Self { name: name.to_ascii_lowercase(), tls }).ok_or(NoDomain)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tls {
            None => self.name.fmt(f),
            Some(port) => self.origin(&self.name, port.get()).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_it_is_given() {
        for (given, name, tls, origin) in [
            ("localhost", "localhost", None, "http://x:6080"),
            ("agents.example.org", "agents.example.org", None, "http://x:6080"),
            ("https://agents.example.org", "agents.example.org", Some(443), "https://x"),
            ("https://a-b.example:8443", "a-b.example", Some(8443), "https://x:8443"),
        ] {
            let domain: Domain = given.parse().unwrap();
            assert_eq!((&*domain.name, domain.tls.map(NonZeroU16::get)), (name, tls));
            assert_eq!(
                (domain.to_string(), domain.origin("x", 6080)),
                (given.into(), origin.into())
            );
        }
        assert_eq!(
            "https://A.example:443/".parse::<Domain>().unwrap().to_string(),
            "https://a.example"
        );
    }

    #[test]
    fn names_below_localhost_lead_nowhere_else() {
        let is_local = |given: &str| given.parse::<Domain>().unwrap().is_local();
        assert!(["localhost", "my.LOCALHOST", "https://my.localhost"].into_iter().all(is_local));
        assert!(!["example.org", "notlocalhost", "localhost.example"].into_iter().any(is_local));
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for wrong in [
            "",
            "two words",
            "http://a.example",
            "https://",
            "https://a.example/x",
            "https://a.example:",
            "https://a.example:0",
            "https://a.example:65536",
            "https://u@a.example",
            "a.example:6080",
        ] {
            assert_eq!(wrong.parse::<Domain>(), Err(NoDomain), "{wrong}");
        }
    }
}
