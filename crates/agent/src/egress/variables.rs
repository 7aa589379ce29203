//! What programs look at to find the proxy, and the certificates that the host trusts.

use std::path::Path;

use super::HTTP;

/// All of them name the HTTP proxy: with a `socks5h` address many programs need an extra package.
const PROXY: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// What is not reached through it: the sandbox itself.
const NO_PROXY: &str = "localhost,127.0.0.1,::1";

/// Names of a file of certificates: OpenSSL and Go, requests, pip, curl, git, cargo.
const CERTIFICATES: [&str; 6] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
];

/// Where Debian and its kin keep Java's certificates.
const JAVA_CERTIFICATES: &str = "/etc/ssl/certs/java/cacerts";

/// What tells commands of them.
pub(crate) fn variables() -> Vec<(&'static str, String)> {
    let mut all: Vec<_> = PROXY.map(|name| (name, format!("http://{HTTP}"))).into();
    all.extend(["NO_PROXY", "no_proxy"].map(|name| (name, NO_PROXY.to_owned())));
    // Node does not look at the others without it; from 22.21 and 24.5 on.
    all.push(("NODE_USE_ENV_PROXY", "1".into()));
    all.push(("GIT_SSH_COMMAND", ssh()));
    all.push(("JAVA_TOOL_OPTIONS", java(Path::new(JAVA_CERTIFICATES).exists())));
    if let Some(bundle) = ca_bundle() {
        all.extend(CERTIFICATES.map(|name| (name, bundle.clone())));
        // Node then reads `SSL_CERT_FILE` when it first needs it. `NODE_EXTRA_CA_CERTS` is read at
        // every start, which takes Node 18 and 20 about as long as all the rest of it.
        all.push(("NODE_OPTIONS", "--use-openssl-ca".into()));
    }
    all
}

/// The host's certificates, if it has any.
fn ca_bundle() -> Option<String> {
    let places = [
        protocol::CA_BUNDLE.to_owned(),
        format!("{}/{}", protocol::TOOLS, protocol::TOOLS_CA_BUNDLE),
    ];
    places.into_iter().find(|path| Path::new(path).exists())
}

/// For images; a sandbox of the embedded engine has the same in `/etc/ssh/ssh_config`.
fn ssh() -> String {
    let agentd = format!("{}/bin/agentd", protocol::TOOLS);
    format!("ssh -o StrictHostKeyChecking=accept-new -o 'ProxyCommand={agentd} connect %h %p'")
}

fn java(has_certificates: bool) -> String {
    let (host, port) = (HTTP.ip(), HTTP.port());
    let mut options = format!(
        "-Dhttp.proxyHost={host} -Dhttp.proxyPort={port} -Dhttps.proxyHost={host} \
         -Dhttps.proxyPort={port} -Dhttp.nonProxyHosts=localhost|127.*|[::1]"
    );
    if has_certificates {
        options += &format!(" -Djavax.net.ssl.trustStore={JAVA_CERTIFICATES}");
    }
    options
}
