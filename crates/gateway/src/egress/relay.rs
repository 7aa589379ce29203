//! Bytes both ways between a job and a host, counted.

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio_util::io::InspectReader;

use super::account::Entry;

/// Per direction; twice that and 256 connections make 8 MiB a job.
const BUFFER_BYTES: usize = 16 * 1024;

/// Copies until both sides have ended, or one breaks. A side that ends what it says still hears the
/// other one.
pub(super) async fn relay<J, H>(entry: &Entry, job: J, host: H)
where
    J: AsyncRead + AsyncWrite + Unpin,
    H: AsyncRead + AsyncWrite + Unpin,
{
    let mut job = InspectReader::new(job, |bytes: &[u8]| entry.add_sent(bytes.len()));
    let mut host = InspectReader::new(host, |bytes: &[u8]| entry.add_received(bytes.len()));
    // How a connection ends is between those two.
    drop(copy_bidirectional_with_sizes(&mut job, &mut host, BUFFER_BYTES, BUFFER_BYTES).await);
}
