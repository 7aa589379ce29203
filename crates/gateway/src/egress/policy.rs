//! What a job may reach. Plain functions: a host by its name, an address by what it is.
//!
//! Not here: finding a host's addresses, or our own ([dialing](mod@super::dial)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use types::Network;

/// What one job may reach.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    /// Which hosts, by name.
    pub network: Network,
    /// Networks of the operator that jobs may reach although they are not public. The host's name
    /// must still be allowed. An address of this machine only counts if it is listed by itself.
    pub allow: Arc<[IpNet]>,
    /// TCP ports on which the orchestrator listens, at whatever address: never reached on this
    /// machine.
    pub own_ports: Arc<[u16]>,
}

impl EgressPolicy {
    /// Whether the job's network has this host.
    pub(super) fn check_host(&self, host: &str) -> Result<(), String> {
        if self.network.allows(host) {
            return Ok(());
        }
        Err(match &self.network {
            Network::Domains(_) => format!(
                "{host} is not in this job's `network`: add it to the list, or use \"open\""
            ),
            Network::None | Network::Open => format!(
                "this job has no network: start it with `network` set to [\"{host}\"] or \"open\""
            ),
        })
    }

    /// Whether jobs may reach this address at all.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        self.is_listed(address) || is_public(address)
    }

    /// Whether jobs may reach this, although it is on this machine.
    pub(super) fn allows_our_own(&self, to: SocketAddr) -> bool {
        let itself = IpNet::from(to.ip().to_canonical());
        self.allow.contains(&itself) && !self.own_ports.contains(&to.port())
    }

    /// Whether the operator listed it.
    fn is_listed(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allow.iter().any(|network| network.contains(&address))
    }
}

/// Whether an address is one of a single host on the public internet. What reaches an IPv4 address
/// by way of IPv6 is judged as that.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

/// IANA's IPv4 Special-Purpose Address Registry, what of it is not globally reachable or ends
/// elsewhere than it seems, multicast, and one address of Azure's.
const NOT_PUBLIC_V4: [Ipv4Net; 17] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    // The metadata services of most clouds are in here.
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
    // Looks public, but every virtual machine there finds its host's agent at it.
    v4([168, 63, 129, 16], 32),
    // The relay of AMT, a tunnel for multicast.
    v4([192, 52, 193, 0], 24),
];

/// The only part of IPv6 that IANA has given out for single hosts …
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0], 3);

/// … and what of it is not for the public (IANA's IPv6 Special-Purpose Address Registry).
const NOT_PUBLIC_V6: [Ipv6Net; 3] =
    [v6([0x2001, 0], 23), v6([0x2001, 0x0db8], 32), v6([0x3fff, 0], 20)];

/// RFC 3056.
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0], 16);

/// RFC 6052.
const NAT64: Ipv6Net = v6([0x0064, 0xff9b], 96);

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    GLOBAL_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address))
}

/// The IPv4 address at which a packet to this one ends.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, _, a, b, c, d, .., e, f, g, h] = address.octets();
    if SIX_TO_FOUR.contains(&address) {
        return Some([a, b, c, d].into());
    }
    NAT64.contains(&address).then(|| [e, f, g, h].into())
}

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([first, second]: [u16; 2], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(network: &str, allow: &[&str]) -> EgressPolicy {
        let network = serde_json::from_str(network).unwrap();
        let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
        EgressPolicy { network, allow, ..EgressPolicy::default() }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:a9fe:a9fe",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn the_operator_can_list_networks() {
        let policy = policy(r#""open""#, &["10.1.0.0/16", "fd00::/8"]);
        for listed in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "1.1.1.1"] {
            assert!(policy.allows(listed.parse().unwrap()), "{listed}");
        }
        for other in ["10.2.0.1", "127.0.0.1", "fe80::1", "64:ff9b::a02:1"] {
            assert!(!policy.allows(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn hosts_go_by_the_jobs_network() {
        assert!(policy(r#""open""#, &[]).check_host("a.example.org").is_ok());
        let listed = policy(r#"["*.example.org"]"#, &[]);
        assert!(listed.check_host("a.example.org").is_ok());
        let why = listed.check_host("example.com").unwrap_err();
        assert!(why.contains("`network`") && why.contains("example.com"), "{why}");
        assert!(policy(r#""none""#, &[]).check_host("example.org").is_err());
    }

    proptest! {
        /// The standard library's own judgement, where it has one.
        #[test]
        fn whatever_std_calls_special_is_refused(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_documentation() || address.is_broadcast()
                || address.is_unspecified();
            prop_assert!(!(special && is_public_v4(address)), "{}", address);
        }

        #[test]
        fn an_embedded_address_is_judged_as_itself(bits: u32) {
            let inner = Ipv4Addr::from(bits);
            let [high, low] = [(bits >> 16) as u16, (bits & 0xffff) as u16];
            for outer in [
                inner.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 1, 2, 3, 4, 5),
            ] {
                prop_assert_eq!(is_public(outer.into()), is_public_v4(inner), "{}", outer);
            }
        }

        #[test]
        fn outside_of_the_global_block_only_nat64_leads_anywhere(bits: u128) {
            let address = Ipv6Addr::from(bits);
            if is_public(address.into()) && address.to_ipv4_mapped().is_none() {
                prop_assert!(GLOBAL_V6.contains(&address) || NAT64.contains(&address));
            }
        }
    }
}
