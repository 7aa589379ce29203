//! One call of HTTP over a connection of its own.

use jobs::Target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use types::JobId;

use crate::support::{Bed, PATIENCE};

/// All that comes back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// A cookie that it sets.
    pub(crate) fn cookie(&self, name: &str) -> String {
        let start = format!("{name}=");
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut cookies = lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        let found = cookies.find_map(|(_, value)| value.strip_prefix(&start)).unwrap();
        found.split(';').next().unwrap().to_owned()
    }
}

/// Calls what is behind a target, as a browser would by its public name.
pub(crate) async fn call(bed: &Bed, job: JobId, to: Target, call: &str, body: &str) -> Answer {
    try_call(bed, job, to, call, body).await.unwrap()
}

/// The same where the other side may go away in the midst of it: nothing then. `call` is the first
/// line, and headers if there are any.
pub(crate) async fn try_call(
    bed: &Bed,
    job: JobId,
    to: Target,
    call: &str,
    body: &str,
) -> Option<Answer> {
    let mut stream = bed.dial(job, to).await.ok()?;
    let (line, headers) = call.split_once('\n').unwrap_or((call, ""));
    let headers: String = headers.lines().map(|header| format!("{header}\r\n")).collect();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: job.localhost:8888\r\nConnection: close\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = vec![];
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok())?;
    Some(Answer { status, head: head.into(), body: body.into() })
}
