//! Where a provider's API begins.

use std::ffi::OsStr;
use std::fmt::{self, Debug, Display};
use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use reqwest::Url;

use crate::value;

/// Shorter parts of a path are versions and names.
const SHORTEST_KEY: usize = 16;

/// Ends of names that no public host has.
const NEAR: [&str; 4] = [".localhost", ".local", ".internal", ".lan"];

/// An address as the operator set it. Some proxies have a key in its path: whoever shows it leaves
/// out what may be one.
#[derive(Clone)]
pub(super) struct Address(Url);

impl Address {
    pub(super) fn read(text: &OsStr) -> Result<Self> {
        let text = value::text(text)?.trim();
        let is_whole = text.contains("://");
        let with_scheme = if is_whole { text.into() } else { format!("http://{text}") };
        let url = Url::parse(&with_scheme)
            .context("expected an address, such as http://127.0.0.1:8080/v1")?;
        ensure!(matches!(url.scheme(), "http" | "https"), "expected http or https");
        ensure!(url.has_host(), "expected an address, such as http://127.0.0.1:8080/v1");
        let bare = url.username().is_empty() && url.password().is_none();
        ensure!(bare, "a key does not belong into the address; set it by itself");
        ensure!(url.query().is_none() && url.fragment().is_none(), "expected no ? or # in it");
        let meant = is_whole || is_near(&url);
        ensure!(meant, "expected https:// before it, or http:// if it may be sent unencrypted");
        Ok(Self(url))
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// Whether others on the way can read what is sent there.
    pub(super) fn is_readable(&self) -> bool {
        let is_here = ip(&self.0).is_some_and(|ip| ip.is_loopback() || ip.is_unspecified());
        let name = self.0.host_str().unwrap_or_default();
        self.0.scheme() == "http"
            && !is_here
            && name != "localhost"
            && !name.ends_with(".localhost")
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |part| if may_be_a_key(part) { "[key]" } else { part };
        let path = self.0.path().split('/').map(shown).collect::<Vec<_>>().join("/");
        write!(f, "{}{path}", self.0.origin().ascii_serialization())
    }
}

impl Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

fn may_be_a_key(part: &str) -> bool {
    part.len() >= SHORTEST_KEY && part.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether it is this machine or its own network, as far as its name says.
fn is_near(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default();
    match ip(url) {
        Some(IpAddr::V4(ip)) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_private() || ip.is_link_local()
        }
        Some(IpAddr::V6(ip)) => {
            let is_own = ip.is_unique_local() || ip.is_unicast_link_local();
            ip.is_loopback() || ip.is_unspecified() || is_own
        }
        None => !name.contains('.') || NEAR.iter().any(|end| name.ends_with(end)),
    }
}

fn ip(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    host.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address> {
        Address::read(text.as_ref())
    }

    #[test]
    fn only_what_is_near_needs_no_scheme() {
        for near in [
            "127.0.0.1:8080/v1",
            "localhost:1",
            "0.0.0.0",
            "box:80",
            "192.168.7.1",
            "10.1.2.3:80",
            "[::1]:80",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "gpu.local",
        ] {
            assert_eq!(read(near).unwrap().url().scheme(), "http", "{near}");
        }
        for far in ["openrouter.ai/api/v1", "8.8.8.8", "[2001:db8::1]:80", "local.example.org"] {
            let error = read(far).unwrap_err().to_string();
            assert!(error.contains("https://"), "{far}: {error}");
            for scheme in ["http", "https"] {
                assert_eq!(read(&format!("{scheme}://{far}")).unwrap().url().scheme(), scheme);
            }
        }
    }

    #[test]
    fn what_leaves_the_machine_in_clear_is_known() {
        for (address, readable) in [
            ("http://127.0.0.1:1", false),
            ("http://[::1]", false),
            ("http://localhost", false),
            ("https://example.org", false),
            ("http://example.org", true),
            ("http://192.168.7.1", true),
            ("http://box", true),
        ] {
            assert_eq!(read(address).unwrap().is_readable(), readable, "{address}");
        }
    }

    #[test]
    fn a_key_in_the_path_is_not_shown() {
        let address = read("https://proxy.example.org:8443/k/sk-0123456789abcdef/v1beta").unwrap();
        assert_eq!(address.to_string(), "https://proxy.example.org:8443/k/[key]/v1beta");
        assert_eq!(format!("{address:?}"), address.to_string());
        for plain in ["https://openrouter.ai/api/v1", "http://box:1/v1/organizations-of-ours/"] {
            assert_eq!(read(plain).unwrap().to_string(), plain);
        }
    }
}
