//! Reports on their way out: numbered, kept until they are durable outside, bounded.
//!
//! Not here: how they get there ([`crate::deliver`]).

use std::collections::VecDeque;
use std::io;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::{Report, ReportKind};

/// The most bytes of unacknowledged reports, as they are on the wire.
pub const MAX_OUTBOX_BYTES: usize = 8 * 1024 * 1024;

/// The most bytes of one batch of more than one report. The orchestrator holds a batch several times
/// over while it takes it, and the changes of other jobs wait that long; less would cost speed.
const MAX_BATCH_BYTES: usize = 512 * 1024;

/// What a report's number, time and braces add to what it carries.
const ENVELOPE_BYTES: usize = 96;

/// Cheap to share by reference; every method may be used while others wait.
#[derive(Debug)]
pub struct Outbox {
    queue: watch::Sender<Queue>,
}

#[derive(Debug)]
struct Queue {
    /// Not handed out yet.
    waiting: VecDeque<(Report, usize)>,
    /// Sizes of everything after `acked`, handed out or not.
    sizes: VecDeque<usize>,
    bytes: usize,
    acked: u64,
}

impl Queue {
    fn last(&self) -> u64 {
        self.acked + self.sizes.len() as u64
    }

    fn push(&mut self, report: ReportKind, size: usize) {
        let report = Report { n: self.last() + 1, at: Timestamp::now(), report };
        self.waiting.push_back((report, size));
        self.sizes.push_back(size);
        self.bytes += size;
    }

    fn batch(&mut self) -> Vec<Report> {
        let mut batch = Vec::new();
        let mut room = MAX_BATCH_BYTES;
        while let Some((report, size)) = self.waiting.pop_front() {
            if size > room && !batch.is_empty() {
                self.waiting.push_front((report, size));
                break;
            }
            room = room.saturating_sub(size);
            batch.push(report);
        }
        batch
    }

    fn ack(&mut self, acked: u64) {
        while self.acked < acked
            && let Some(size) = self.sizes.pop_front()
        {
            self.acked += 1;
            self.bytes -= size;
        }
    }
}

impl Outbox {
    /// An empty one, whose first report follows what is durable already.
    #[must_use]
    pub fn new(acked: u64) -> Self {
        let empty = Queue { waiting: VecDeque::new(), sizes: VecDeque::new(), bytes: 0, acked };
        Self { queue: watch::Sender::new(empty) }
    }

    /// Takes a report; waits while there is no room.
    pub async fn push(&self, report: ReportKind) {
        let size = wire_size(&report);
        self.until(|queue| queue.bytes == 0 || queue.bytes + size <= MAX_OUTBOX_BYTES).await;
        self.queue.send_modify(|queue| queue.push(report, size));
    }

    /// Waits for reports and hands them out, each once, in order.
    pub async fn batch(&self) -> Vec<Report> {
        self.until(|queue| !queue.waiting.is_empty()).await;
        let mut batch = Vec::new();
        self.queue.send_modify(|queue| batch = queue.batch());
        batch
    }

    /// Forgets what is durable.
    pub fn ack(&self, acked: u64) {
        self.queue.send_modify(|queue| queue.ack(acked));
    }

    /// Waits until everything is durable.
    pub async fn settled(&self) {
        self.until(|queue| queue.sizes.is_empty()).await;
    }

    async fn until(&self, condition: impl FnMut(&Queue) -> bool) {
        let mut queue = self.queue.subscribe();
        // It fails only without a sender, and `self` is one.
        drop(queue.wait_for(condition).await);
    }
}

fn wire_size(report: &ReportKind) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(ENVELOPE_BYTES);
    // What cannot be written is refused again, with an error that is seen, when it is sent.
    drop(serde_json::to_writer(&mut count, report));
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;
    use tokio::time::timeout;
    use types::{NoticeLevel, Stream};

    fn notice(text: &str) -> ReportKind {
        ReportKind::Notice { level: NoticeLevel::Info, text: text.into() }
    }

    fn megabyte() -> ReportKind {
        notice(&"x".repeat(1024 * 1024))
    }

    fn numbers(batch: &[Report]) -> Vec<u64> {
        batch.iter().map(|report| report.n).collect()
    }

    #[tokio::test]
    async fn numbers_go_on_where_the_last_agent_stopped() {
        let outbox = Outbox::new(41);
        outbox.push(notice("a")).await;
        outbox.push(notice("b")).await;
        assert_eq!(numbers(&outbox.batch().await), [42, 43]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_outbox_makes_wait_until_there_is_room() {
        let outbox = Outbox::new(0);
        for _ in 0..7 {
            outbox.push(megabyte()).await;
        }
        let mut late = Box::pin(outbox.push(megabyte()));
        assert!(timeout(Duration::from_secs(1), &mut late).await.is_err(), "it is full");
        let batch = outbox.batch().await;
        assert_eq!(numbers(&batch), [1], "a batch is bounded");
        assert!(timeout(Duration::from_secs(1), &mut late).await.is_err(), "sent is not durable");
        outbox.ack(1);
        late.await;
    }

    #[tokio::test(start_paused = true)]
    async fn settles_when_all_is_durable() {
        let outbox = Outbox::new(0);
        outbox.settled().await;
        outbox.push(notice("a")).await;
        outbox.push(notice("b")).await;
        outbox.batch().await;
        outbox.ack(1);
        assert!(timeout(Duration::from_secs(1), outbox.settled()).await.is_err());
        outbox.ack(2);
        outbox.settled().await;
    }

    #[tokio::test]
    async fn a_report_larger_than_a_batch_still_leaves() {
        let outbox = Outbox::new(0);
        outbox.push(notice(&"x".repeat(5 * 1024 * 1024))).await;
        outbox.push(notice("b")).await;
        assert_eq!(numbers(&outbox.batch().await), [1]);
        assert_eq!(numbers(&outbox.batch().await), [2]);
    }

    proptest! {
        /// The bound is kept in bytes on the wire, whatever has to be escaped.
        #[test]
        fn sizes_are_never_too_small(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let kind = ReportKind::Output {
                step: u32::MAX, stream: Stream::Stdout, data: crate::Data(bytes),
            };
            let report = Report { n: u64::MAX, at: Timestamp::MAX, report: kind.clone() };
            let wire = serde_json::to_vec(&report).unwrap().len() + 1;
            prop_assert!(wire <= wire_size(&kind), "{wire}");
        }
    }
}
