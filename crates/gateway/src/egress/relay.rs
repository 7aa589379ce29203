//! Bytes both ways between a job and a host, counted.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::InspectReader;

use super::account::Entry;

/// As [`protocol::relay`].
pub(super) async fn relay<J, H>(entry: &Entry, job: J, host: H)
where
    J: AsyncRead + AsyncWrite,
    H: AsyncRead + AsyncWrite,
{
    let job = InspectReader::new(job, |bytes: &[u8]| entry.add_sent(bytes.len()));
    let host = InspectReader::new(host, |bytes: &[u8]| entry.add_received(bytes.len()));
    protocol::relay(job, host).await;
}
