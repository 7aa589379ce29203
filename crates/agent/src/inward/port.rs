//! Ports on the sandbox's loopback.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a program may take to let somebody in: on a loopback, the kernel does it at once while
/// there is room in the program's queue.
const PATIENCE: Duration = Duration::from_secs(5);

/// Some programs listen on `localhost`, and that may be the second one only.
const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Connects to what listens on a port, or says for people why not.
pub(super) async fn connect(port: u16) -> Result<TcpStream, String> {
    for host in LOOPBACKS {
        match timeout(PATIENCE, TcpStream::connect((host, port))).await {
            Ok(Ok(stream)) => {
                // What people type goes out at once. A loopback that cannot do it works as well.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Ok(Err(e)) if is_nobody(e.kind()) => {}
            Ok(Err(e)) => return Err(format!("port {port} in the sandbox: {e}")),
            Err(_) => {
                return Err(format!("what listens on port {port} in the sandbox is too busy"));
            }
        }
    }
    Err(format!("nothing listens on port {port} in the sandbox"))
}

/// A sandbox without IPv6 has no such address.
fn is_nobody(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused | ErrorKind::AddrNotAvailable | ErrorKind::NetworkUnreachable
    )
}
