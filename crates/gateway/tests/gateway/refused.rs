//! Hosts that a job does not reach: those it did not ask for, and this machine.

use gateway::EgressPolicy;
use types::EgressVerdict;

use crate::egress::{LOOPBACK, Way, echo, policy};

#[tokio::test]
async fn without_a_network_nothing_is_reached() {
    let way = Way::with(policy(r#""none""#, &LOOPBACK)).await;
    let address = echo().await;
    let (status, why) = way.refused(&address.to_string()).await;
    assert_eq!(status, 403);
    assert!(why.contains("`network`"), "{why}");
    let [told] = way.told(1).await.try_into().unwrap();
    assert_eq!((told.verdict, told.why), (EgressVerdict::Refused, Some(why)));
}

#[tokio::test]
async fn only_hosts_of_the_list_are_reached() {
    let way = Way::with(policy(r#"["localhost."]"#, &LOOPBACK)).await;
    let port = echo().await.port();
    way.connect(&format!("localhost:{port}")).await.unwrap();
    way.connect(&format!("LOCALHOST:{port}")).await.unwrap();
    for other in ["127.0.0.1", "[::1]", "example.org", "localhost.example.org", "2130706433"] {
        let (status, _) = way.refused(&format!("{other}:{port}")).await;
        assert_eq!(status, 403, "{other}");
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_after_resolution() {
    let way = Way::with(policy(r#""open""#, &[])).await;
    let port = echo().await.port();
    for host in [
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[::]",
        "169.254.169.254",
        "10.0.0.1",
    ] {
        let (status, why) = way.refused(&format!("{host}:{port}")).await;
        assert_eq!(status, 403, "{host}: {why}");
    }
    let listed = Way::with(policy(r#"["localhost."]"#, &[])).await;
    assert_eq!(listed.refused(&format!("localhost:{port}")).await.0, 403);
}

#[tokio::test]
async fn a_network_around_this_machine_does_not_open_it() {
    let way = Way::with(policy(r#""open""#, &["127.0.0.0/8", "::/0", "0.0.0.0/0"])).await;
    let port = echo().await.port();
    for host in ["localhost", "127.0.0.1", "127.0.0.2", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"] {
        assert_eq!(way.refused(&format!("{host}:{port}")).await.0, 403, "{host}");
    }
}

#[tokio::test]
async fn the_orchestrators_own_ports_are_closed_even_if_listed() {
    let (own, other) = (echo().await, echo().await);
    let listed = ["127.0.0.1/32", "0.0.0.0/32"];
    let own_ports = [own.port()].into();
    let way = Way::with(EgressPolicy { own_ports, ..policy(r#""open""#, &listed) }).await;
    for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
        assert_eq!(way.refused(&format!("{host}:{}", own.port())).await.0, 403, "{host}");
    }
    way.connect(&other.to_string()).await.unwrap();
}
