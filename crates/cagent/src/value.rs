//! Values as people write them, of settings and of options: read, and shown as they could be given.

use std::ffi::OsStr;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use engine_local::UidRange;
use jiff::Timestamp;
use jobs::IpNet;
use portal::Domain;
use reqwest::Url;
use reqwest::header::HeaderValue;
use tracing_subscriber::EnvFilter;
use types::Network;

use crate::key;
use crate::log::LogFormat;
use crate::settings::EngineName;

/// Below this uids are the system's own and, by custom, people's.
const FIRST_UID: u32 = 65_536;

const A_SIZE: &str = "expected a size, such as 1048576, 512M or 2G (K, M, G: 1024)";
const A_TIME: &str = "expected a time, such as 90, 30s, 5m or 1h";
const SIZES: [(&str, u64); 3] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];
const LIFETIMES: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
const TIMES: [(&str, u64); 3] = [("h", 3600), ("m", 60), ("s", 1)];

pub(crate) fn text<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<&str> {
    value.as_ref().to_str().context("expected text (UTF-8)")
}

/// Bytes.
pub(crate) fn size<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<u64> {
    with_unit(text(value)?, &SIZES).context(A_SIZE)
}

/// Seconds.
pub(crate) fn time<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<u64> {
    with_unit(text(value)?, &TIMES).context(A_TIME)
}

/// A time to come: how long it is until then, or when it is.
pub(crate) fn expiry(text: &str) -> Result<Timestamp> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let seconds = with_unit(text, &LIFETIMES).filter(|seconds| *seconds > 0);
    let seconds = seconds.context("expected a time, such as 30d, 12h or 2030-01-31T00:00:00Z")?;
    Timestamp::now().checked_add(Duration::from_secs(seconds)).context("it is too far away")
}

/// One of the two words, or a list of domains.
pub(crate) fn network<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<Network> {
    match text(value)? {
        "none" => Ok(Network::None),
        "open" => Ok(Network::Open),
        list => {
            let domains: Result<_, _> = list.split(',').map(|name| name.trim().parse()).collect();
            domains
                .map(Network::Domains)
                .context("expected none, open, or domains such as example.org")
        }
    }
}

pub(crate) fn url<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<Url> {
    let text = text(value)?;
    let with_scheme = if text.contains("://") { text.into() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).context("expected a server, such as 127.0.0.1:8000")?;
    ensure!(url.scheme() == "http", "this version speaks plain http only");
    Ok(url)
}

/// Where a webhook is, also beyond TLS.
pub(crate) fn address_of_hook<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<Url> {
    let url = Url::parse(text(value)?.trim()).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.context("expected an address, such as https://example.org/hook")
}

/// What of an address is no secret.
pub(crate) fn shown_origin(url: &Url) -> String {
    format!("{}/…", url.origin().ascii_serialization())
}

pub(crate) fn address<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<SocketAddr> {
    let address = text(value)?.replace("localhost:", "127.0.0.1:");
    address.parse().map_err(|_| anyhow!("expected ADDRESS:PORT, such as 127.0.0.1:8000"))
}

pub(crate) fn directory<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<PathBuf> {
    std::path::absolute(value.as_ref()).context("expected a directory")
}

pub(crate) fn days<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<u32> {
    text(value)?.parse().map_err(|_| anyhow!("expected a whole number of days, such as 1"))
}

pub(crate) fn at_least_one<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<NonZeroUsize> {
    text(value)?.parse().map_err(|_| anyhow!("expected a whole number, 1 or more"))
}

pub(crate) fn engine(name: &str) -> Result<EngineName> {
    match name {
        "local" => Ok(EngineName::Local),
        "docker" => Ok(EngineName::Docker),
        _ => bail!("{name:?} is no engine: expected local or docker"),
    }
}

/// Engines, each once.
pub(crate) fn engines<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<Vec<EngineName>> {
    let mut engines = Vec::new();
    for name in text(value)?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let engine = engine(name)?;
        ensure!(!engines.contains(&engine), "{name} is there twice");
        engines.push(engine);
    }
    ensure!(!engines.is_empty(), "expected local, docker, or both: docker,local");
    Ok(engines)
}

/// Names of hosts, in lower case.
pub(crate) fn hosts<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<Vec<String>> {
    let names = text(value)?.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(host).collect()
}

fn host(name: &str) -> Result<String> {
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    ensure!(
        fits,
        "{name:?} is no name of a host: expected such as agent.example.org, without port"
    );
    Ok(name.to_ascii_lowercase())
}

pub(crate) fn image<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<String> {
    let name = text(value)?.trim();
    ensure!(types::is_image_name(name), "expected an image, such as containerized-agent:latest");
    Ok(name.into())
}

/// A domain, or the address of a proxy with TLS before it.
pub(crate) fn domain<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<Domain> {
    Ok(text(value)?.trim().parse()?)
}

/// A key to a server, as the header that carries it.
pub(crate) fn api_key<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<HeaderValue> {
    key::bearer(text(value)?.trim()).context("expected a key, such as cagent_…, without spaces")
}

/// A word without white space.
pub(crate) fn name<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<String> {
    let text = text(value)?.trim();
    ensure!(!text.is_empty() && !text.contains(char::is_whitespace), "expected one word");
    Ok(text.into())
}

/// Yes or no.
pub(crate) fn flag<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<bool> {
    match text(value)?.trim() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => bail!("expected 1 or 0"),
    }
}

pub(crate) fn shown_flag(yes: bool) -> String {
    if yes { "1" } else { "0" }.into()
}

pub(crate) fn uids<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<UidRange> {
    let numbers = text(value)?.split_once(':');
    let numbers =
        numbers.and_then(|(first, count)| Some((first.parse().ok()?, count.parse().ok()?)));
    let (first, count): (u32, u32) =
        numbers.context("expected FIRST:COUNT, such as 1879048192:65536")?;
    ensure!(first >= FIRST_UID, "expected a FIRST of {FIRST_UID} or more: others have those below");
    ensure!(count >= 2, "expected a COUNT of 2 or more: a sandbox has two");
    // To the kernel the highest number means that nothing is to be changed.
    ensure!(first.checked_add(count).is_some(), "expected uids below {}", u32::MAX);
    Ok(UidRange { first, count })
}

pub(crate) fn addresses<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<Vec<IpNet>> {
    let networks = text(value)?.split(',').map(str::trim).filter(|part| !part.is_empty());
    networks.map(address_or_network).collect()
}

fn address_or_network(text: &str) -> Result<IpNet> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse()).map_err(|_| {
        anyhow!("{text:?} is no address: expected such as 10.1.2.3, 192.168.7.0/24 or fd00::/8")
    })
}

pub(crate) fn log_filter<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<String> {
    let text = text(value)?;
    EnvFilter::try_new(text).context("expected such as debug or jobs=debug,info")?;
    Ok(text.into())
}

pub(crate) fn log_format<V: AsRef<OsStr> + ?Sized>(value: &V) -> Result<LogFormat> {
    [LogFormat::Text, LogFormat::Json]
        .into_iter()
        .find(|format| text(value).is_ok_and(|text| text.trim() == format.as_str()))
        .context("expected text or json")
}

pub(crate) fn shown_path(path: &Path) -> String {
    path.display().to_string()
}

pub(crate) fn shown_network(network: &Network) -> String {
    match network {
        Network::None => "none".into(),
        Network::Open => "open".into(),
        Network::Domains(domains) => {
            shown_list(domains.iter(), ",").unwrap_or_else(|| "none".into())
        }
    }
}

/// Nothing for an empty list.
pub(crate) fn shown_list(
    entries: impl Iterator<Item = impl Display>,
    separator: &str,
) -> Option<String> {
    let all: Vec<_> = entries.map(|entry| entry.to_string()).collect();
    (!all.is_empty()).then(|| all.join(separator))
}

/// Bytes, in the largest unit that says it exactly.
pub(crate) fn shown_size(bytes: u64) -> String {
    shown_with_unit(bytes, &SIZES)
}

/// Seconds, in the largest unit that says it exactly.
pub(crate) fn shown_time(seconds: u64) -> String {
    shown_with_unit(seconds, &TIMES)
}

fn shown_with_unit(number: u64, units: &[(&str, u64)]) -> String {
    let exact = units.iter().find(|(_, size)| number >= *size && number.is_multiple_of(*size));
    exact.map_or_else(|| number.to_string(), |(unit, size)| format!("{}{unit}", number / size))
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut found = units.iter().filter_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, size) = found.next().unwrap_or((text, 1));
    // `u64` would take a sign.
    let plain = number.starts_with(|c: char| c.is_ascii_digit());
    plain.then(|| number.parse::<u64>().ok()?.checked_mul(size))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_given() {
        for bytes in [0, 1, 1023, 1024, 1536, 512 << 20, 2 << 30, u64::MAX] {
            assert_eq!(size(&shown_size(bytes)).unwrap(), bytes);
        }
        for seconds in [0, 1, 59, 60, 90, 3600, 604_800] {
            assert_eq!(time(&shown_time(seconds)).unwrap(), seconds);
        }
        for text in ["none", "open", "a.org,*.b.org"] {
            assert_eq!(shown_network(&network(text).unwrap()), text);
        }
        let days = expiry("30d").unwrap().duration_since(Timestamp::now()).as_hours();
        assert!((719..=720).contains(&days), "{days}");
        assert_eq!(expiry("2030-01-31T00:00:00Z").unwrap().as_second(), 1_896_048_000);
        assert_eq!(hosts("A.org, b.org,").unwrap(), ["a.org", "b.org"]);
        assert_eq!((shown_size(2 << 30), shown_time(5400)), ("2G".into(), "90m".into()));
    }

    #[test]
    fn nonsense_is_refused_with_what_was_expected() {
        let refused = |result: Result<String>| format!("{:#}", result.unwrap_err());
        for text in ["", "G", "1g", "-1", "+1", "1.5G", "99999999999999G", " 1"] {
            assert!(refused(size(text).map(|n| n.to_string())).contains("512M"), "{text}");
        }
        for text in ["", "a.org,", ",", "http://a.org", "10.0.0.1", "a b", "nonee"] {
            let said = refused(network(text).map(|network| shown_network(&network)));
            assert!(said.contains("none, open, or domains such as example.org"), "{said}");
        }
        for text in ["1000:10", "70000", "70000:1", "4294967290:6", "a:b", "-1:5"] {
            assert!(refused(uids(text).map(|_| String::new())).contains("expected"), "{text}");
        }
        for text in ["", "0d", "d", "-1d", "1w", "1.5d", "9999999999999999999999d"] {
            assert!(refused(expiry(text).map(|at| at.to_string())).contains("30d"), "{text}");
        }
        for text in ["http://a.org", "a.org:80", "a b"] {
            assert!(refused(hosts(text).map(|_| String::new())).contains("agent.example.org"));
        }
        for text in ["10.0.0.1/33", "example.org", "10.0.0.1:80"] {
            let said = refused(addresses(text).map(|_| String::new()));
            assert!(said.contains("192.168.7.0/24"), "{said}");
        }
    }

    #[test]
    fn addresses_are_networks() {
        let all = addresses("10.1.2.3, fd00::/8,,192.168.7.0/24").unwrap();
        let shown = shown_list(all.iter(), ",").unwrap();
        assert_eq!(shown, "10.1.2.3/32,fd00::/8,192.168.7.0/24");
    }

    #[test]
    fn a_server_and_an_address_may_be_short() {
        assert_eq!(url("127.0.0.1:8000").unwrap().as_str(), "http://127.0.0.1:8000/");
        assert!(address_of_hook("ftp://a.org").unwrap_err().to_string().contains("https://"));
        let hook = address_of_hook("https://u:p@a.org:444/hook?key=1").unwrap();
        assert_eq!(shown_origin(&hook), "https://a.org:444/…");
        assert!(url("https://example.com").unwrap_err().to_string().contains("http only"));
        assert_eq!(address("localhost:80").unwrap().to_string(), "127.0.0.1:80");
        assert!(address("8000").is_err());
    }
}
