//! The signals that end a command which has something to put in order first.

use std::future::pending;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell adds to a signal's number for a program that was ended by it.
const SHELL: u8 = 128;

/// Ctrl-C, SIGTERM and, unless `nohup` keeps it away, the loss of the terminal.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// From now on they end nothing by themselves.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let hangup = !ignores(&status, SignalKind::hangup());
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: hangup.then(|| listen(SignalKind::hangup())).transpose()?,
        })
    }

    /// The next one.
    pub(crate) async fn recv(&mut self) -> SignalKind {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = hangup => SignalKind::hangup(),
        }
    }
}

/// What a shell reports for a program that was ended by this signal.
pub(crate) fn exit_code(kind: SignalKind) -> u8 {
    u8::try_from(kind.as_raw_value()).map_or(SHELL, |number| SHELL | number)
}

/// Whether whoever started us wants a signal ignored; `status` is `/proc/self/status`.
fn ignores(status: &str, kind: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        assert_eq!(kinds.map(exit_code), [130, 143, 129]);
    }

    #[test]
    fn nohup_is_noticed() {
        let status = |mask: &str| format!("Name:\tcagent\nSigIgn:\t{mask}\nSigCgt:\t0\n");
        assert!(ignores(&status("0000000000001001"), SignalKind::hangup()));
        assert!(!ignores(&status("0000000000001002"), SignalKind::hangup()));
        assert!(!ignores("", SignalKind::hangup()));
    }
}
