use std::str::FromStr;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// What a sandbox may reach. In JSON `"none"`, `"open"`, or a list of domains.
///
/// Whatever it says, addresses that are not public are refused unless the operator lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Nothing but itself.
    #[default]
    None,
    /// Hosts with these names.
    Domains(Vec<Domain>),
    /// The public internet.
    Open,
}

impl Network {
    /// Whether a host may be reached by this name (or written address).
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        match self {
            Self::None => false,
            Self::Domains(domains) => domains.iter().any(|domain| domain.matches(host)),
            Self::Open => true,
        }
    }

    /// Whether everything this allows is allowed by `ceiling` too.
    #[must_use]
    pub fn is_within(&self, ceiling: &Self) -> bool {
        match (self, ceiling) {
            (Self::None, _) | (_, Self::Open) => true,
            (Self::Domains(domains), Self::Domains(most)) => {
                domains.iter().all(|domain| most.iter().any(|other| other.covers(domain)))
            }
            (Self::Domains(domains), Self::None) => domains.is_empty(),
            (Self::Open, _) => false,
        }
    }
}

/// One host's name, or with `*.` in front every name below it (but not itself). Lower case, ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

/// Not what a domain looks like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no domain: expected a name such as example.org or *.example.org, without scheme, \
     port or path; other alphabets in their xn-- form"
)]
pub struct InvalidDomain(String);

/// RFC 1035, 2.3.4.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

impl Domain {
    /// As it was given, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this host's name; case and a final dot make no difference.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self.0.strip_prefix('*') {
            None => host.eq_ignore_ascii_case(&self.0),
            Some(end) => host
                .split_at_checked(host.len().wrapping_sub(end.len()))
                .is_some_and(|(start, rest)| !start.is_empty() && rest.eq_ignore_ascii_case(end)),
        }
    }

    /// Whether it matches everything the other one matches.
    fn covers(&self, other: &Self) -> bool {
        match (self.0.strip_prefix('*'), other.0.strip_prefix('*')) {
            (Some(end), Some(other_end)) => other_end.ends_with(end),
            (None, Some(_)) => false,
            (_, None) => self.matches(&other.0),
        }
    }
}

impl FromStr for Domain {
    type Err = InvalidDomain;

    fn from_str(text: &str) -> Result<Self, InvalidDomain> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let name = name.strip_prefix("*.").unwrap_or(name);
        let last = name.rsplit('.').next().unwrap_or(name);
        // A name whose last label is a number is an address, also in its strange spellings.
        let number = last.starts_with(|c: char| c.is_ascii_digit());
        // One label is a mistyped `open` or a host of the server's own network.
        let single = !text.contains('.');
        if name.len() <= MAX_NAME && !number && !single && name.split('.').all(is_label) {
            Ok(Self(text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()))
        } else {
            Err(InvalidDomain(text.chars().take(MAX_NAME).collect()))
        }
    }
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => to.serialize_str("none"),
            Self::Domains(domains) => domains.serialize(to),
            Self::Open => to.serialize_str("open"),
        }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NetworkVisitor)
    }
}

struct NetworkVisitor;

impl<'de> Visitor<'de> for NetworkVisitor {
    type Value = Network;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"none\", \"open\" or a list of domains such as [\"example.org\"]")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Network, E> {
        match word {
            "none" => Ok(Network::None),
            "open" => Ok(Network::Open),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Network, A::Error> {
        let mut domains = Vec::new();
        while let Some(domain) = list.next_element()? {
            domains.push(domain);
        }
        Ok(Network::Domains(domains))
    }
}

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for Network {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
        let word = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(["none", "open"]))
            .build();
        let domain = ObjectBuilder::new().schema_type(Type::String).build();
        let about = "What a sandbox may reach: `none`, `open` (the public internet), or a list of \
                     domains (`example.org`, or `*.example.org` for every name below it).";
        OneOfBuilder::new()
            .item(word)
            .item(ArrayBuilder::new().items(domain))
            .description(Some(about))
            .into()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for Network {}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    fn network(json: &str) -> Network {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_star_stands_for_every_name_below() {
        let below = domain("*.Example.org");
        for host in ["a.example.org", "A.B.EXAMPLE.org", "a.example.org."] {
            assert!(below.matches(host), "{host}");
        }
        for host in ["example.org", ".example.org", "badexample.org", "example.org.evil", ""] {
            assert!(!below.matches(host), "{host}");
        }
        assert!(domain("example.org").matches("Example.org."));
        assert!(!domain("example.org").matches("a.example.org"));
    }

    #[test]
    fn nonsense_is_no_domain() {
        let long = "a".repeat(64);
        for bad in [
            "",
            "nonee",
            "localhost",
            ".",
            "*",
            "*.",
            "a..b",
            "http://a.b",
            "a.b:80",
            "a/b",
            "a b",
            "ä.org",
            "-a.b",
            "a.*.b",
            "127.0.0.1",
            "*.1",
            "[::1]",
            "0x7f.0x1",
            long.as_str(),
        ] {
            assert!(bad.parse::<Domain>().is_err(), "{bad}");
        }
    }

    #[test]
    fn json_is_a_word_or_a_list() {
        for text in [r#""none""#, r#""open""#, r#"["a.org","*.b.org"]"#, "[]"] {
            assert_eq!(serde_json::to_string(&network(text)).unwrap(), text);
        }
        for bad in [r#""all""#, "1", "{}", "null", r#"["a b"]"#, "[1]"] {
            assert!(serde_json::from_str::<Network>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_ceiling_holds() {
        let most = network(r#"["a.org","*.b.org"]"#);
        for fits in [r#""none""#, "[]", r#"["a.org"]"#, r#"["x.b.org","*.y.b.org","*.b.org"]"#] {
            assert!(network(fits).is_within(&most), "{fits}");
        }
        for too_much in [r#""open""#, r#"["b.org"]"#, r#"["*.a.org"]"#, r#"["a.org","c.org"]"#] {
            assert!(!network(too_much).is_within(&most), "{too_much}");
        }
        assert!(!network(r#"["a.org"]"#).is_within(&Network::None));
        assert!(network(r#""open""#).is_within(&Network::Open));
    }
}
