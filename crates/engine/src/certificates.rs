//! The certificates that sandboxes trust: those of the host.

use std::path::PathBuf;

/// Where systems keep all certificates they trust in one file: Debian and Arch, Fedora, SUSE, Alpine.
const CA_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The certificates that the host trusts: those that OpenSSL was told of, or the system's.
#[must_use]
pub fn ca_bundle() -> Option<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let mut all = named.into_iter().chain(CA_BUNDLES.map(PathBuf::from));
    all.find(|path| path.is_file())?.canonicalize().ok()
}
