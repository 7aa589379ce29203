//! `/etc` of a sandbox: our own few files, and what runtimes need of the host's. Nothing that tells
//! who uses the host or how it is set up.

/// Files we write ourselves, by their name in `/etc`.
pub(super) const WRITTEN: [(&str, &str); 10] = [
    (
        "passwd",
        "root:x:0:0:agentd:/run:/usr/sbin/nologin\n\
         agent:x:1000:1000:agent:/home/agent:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("group", "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost\n"),
    ("hostname", "sandbox\n"),
    ("host.conf", "multi on\n"),
    (
        "nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files\nnetworks: files\n\
         protocols: files\nservices: files\n",
    ),
    // No name can be resolved inside; the gateway's proxy does that outside.
    ("resolv.conf", ""),
    // The only way to a host is the proxy. A sandbox knows no host's key, and has nobody to ask.
    (
        "ssh/ssh_config",
        "Host *\n  ProxyCommand /opt/cagent/bin/agentd connect %h %p\n  \
         StrictHostKeyChecking accept-new\n",
    ),
    ("shells", "/bin/sh\n/bin/bash\n"),
    ("mtab", ""),
];

/// Of the host's `/etc`, read-only, where it exists: what programs under `/usr` expect to find.
/// A link is copied as one.
pub(super) const SHARED: [&str; 20] = [
    "X11/app-defaults",
    "alternatives",
    "ca-certificates.conf",
    "chromium.d",
    "fonts",
    "ld.so.cache",
    "locale.alias",
    "localtime",
    "magic",
    "mime.types",
    "os-release",
    "perl",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "xdg/openbox",
];

/// The same for every name that starts like this: they carry versions.
pub(super) const SHARED_STARTS: [&str; 2] = ["java-", "python3"];
