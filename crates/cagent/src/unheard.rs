//! Whether the machine at the other end of a TCP connection still answers, as the kernel knows it: it
//! repeats what nobody acknowledged, and asks who takes nothing whether they are there. A client that
//! only does not read answers.
//!
//! It is read from the kernel's table of connections; what says it of one takes unsafe code.

use std::collections::HashSet;
use std::fs::read_to_string;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::fstat;
use tokio::net::TcpStream;

/// How old the answer may be: whoever asks next has it from whoever asked before.
const FRESH: Duration = Duration::from_secs(2);

/// So often the kernel may have to repeat itself: a packet can get lost.
const PARDONED: u32 = 1;

/// One for each version of IP; a machine may have but one of them.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// Those that do not answer, by the numbers of their sockets.
static UNHEARD: Mutex<Option<(Instant, HashSet<u64>)>> = Mutex::new(None);

/// Whether nobody answers there just now. Where nobody knows, somebody does.
pub(crate) fn is_unheard(stream: &TcpStream) -> bool {
    let Ok(socket) = fstat(stream) else { return false };
    let mut known = UNHEARD.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = known.take().filter(|(at, _)| at.elapsed() < FRESH);
    let (_, unheard) = known.insert(fresh.unwrap_or_else(|| (Instant::now(), look())));
    unheard.contains(&socket.st_ino)
}

fn look() -> HashSet<u64> {
    let tables = TABLES.iter().filter_map(|path| read_to_string(path).ok());
    tables.flat_map(|table| table.lines().filter_map(unheard).collect::<Vec<_>>()).collect()
}

/// The socket of a line, if nobody answers there.
fn unheard(line: &str) -> Option<u64> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let repeated = u32::from_str_radix(words.get(6)?, 16).ok()?;
    let asked: u32 = words.get(8)?.parse().ok()?;
    (repeated.max(asked) > PARDONED).then(|| words.get(9)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;
    use tokio::process::{Child, Command};
    use tokio::time::{sleep, timeout};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Connects, hears nothing from then on, and says so.
    const DEAF: &str = r#"
import ctypes, socket, struct, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
s.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", 1, ctypes.addressof(nothing)))
print("deaf", flush=True)
sys.stdin.read()
"#;

    async fn until_unheard(stream: &TcpStream) {
        while !is_unheard(stream) {
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn deaf() -> (TcpStream, Child) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mut command = Command::new("python3");
        command.args(["-c", DEAF, &port]).kill_on_drop(true);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("this test needs python3");
        let stream = listener.accept().await.unwrap().0;
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).await.unwrap();
        assert_eq!(said, "deaf\n");
        (stream, child)
    }

    #[tokio::test]
    async fn a_machine_that_is_gone_is_told_from_one_that_reads_nothing() {
        let (mut gone, _child) = deaf().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stuck = listener.accept().await.unwrap().0;
        let much = vec![0; 64 << 20];
        for stream in [&mut gone, &mut stuck] {
            timeout(Duration::from_millis(100), stream.write_all(&much)).await.unwrap_err();
        }
        timeout(PATIENCE, until_unheard(&gone)).await.unwrap();
        assert!(!is_unheard(&stuck));
    }

    #[test]
    fn only_who_was_asked_more_than_once_does_not_answer() {
        let line = |repeated: &str, asked: u32| {
            format!(
                "   3: 0100007F:1F40 0100007F:D3A2 01 00000100:00000000 01:00000019 {repeated}     \
                 0        {asked} 4711 2 0000000000000000 20 4 30 10 -1"
            )
        };
        let heard = |repeated, asked| unheard(&line(repeated, asked));
        assert_eq!((heard("00000000", 0), heard("00000001", 1)), (None, None));
        assert_eq!((heard("0000000A", 0), heard("00000000", 2)), (Some(4711), Some(4711)));
        let head =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid";
        for other in ["", head, "1: 2 3 4 5 6 7 8 9 x"] {
            assert_eq!(unheard(other), None, "{other}");
        }
    }
}
