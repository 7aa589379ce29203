//! What programs may find of the host if they get through: a service that jobs may reach and which leads
//! them on, and one that they may not.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::thread;

/// Services of the host. The threads that serve them end with this program.
#[derive(Debug)]
pub(crate) struct Bait {
    /// Jobs may reach it. `/redirect` leads to the API, all else says to which `Host` it was sent.
    pub(crate) allowed: SocketAddr,
    /// Nobody may reach these; that they were, programs notice themselves.
    forbidden: TcpListener,
    _abstract: UnixListener,
    pub(crate) abstract_name: String,
}

impl Bait {
    /// # Errors
    /// When there is no address for them.
    pub(crate) fn lay() -> io::Result<Self> {
        let abstract_name = format!("hostile-{}", std::process::id());
        let address = UnixAddr::from_abstract_name(&abstract_name)?;
        // Clients take 127.0.0.1 for one that needs no proxy, this one not.
        let allowed = TcpListener::bind("127.0.0.2:0")?;
        let bait = Self {
            allowed: allowed.local_addr()?,
            forbidden: TcpListener::bind("0.0.0.0:0")?,
            _abstract: UnixListener::bind_addr(&address)?,
            abstract_name,
        };
        thread::spawn(move || allowed.incoming().flatten().for_each(|stream| drop(answer(stream))));
        Ok(bait)
    }

    /// The port of what nobody may reach.
    pub(crate) fn forbidden_port(&self) -> io::Result<u16> {
        Ok(self.forbidden.local_addr()?.port())
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let (mut host, mut api) = (String::new(), String::new());
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "host" => host = value.into(),
            "x-api" => api = value.into(),
            _ => {}
        }
    }
    let (status, headers) = match first.split(' ').nth(1) {
        Some("/redirect") => ("302 Found", format!("Location: http://{api}/jobs\r\n")),
        _ => ("200 OK", String::new()),
    };
    let length = host.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{host}"
    )
}
