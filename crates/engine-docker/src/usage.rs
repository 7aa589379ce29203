//! What a container has used, as far as the daemon measures it.

use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;
use types::Usage;

/// How long a daemon may take to say it: milliseconds, usually. The client bounds only the head of
/// an answer, and this one is a stream.
const PATIENCE: Duration = Duration::from_secs(10);

/// One look at a running container; nothing if there is none, or the daemon does not say.
pub(crate) async fn look(docker: &Docker, container: &str) -> Usage {
    let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
    let mut answer = docker.stats(container, Some(options));
    match tokio::time::timeout(PATIENCE, answer.next()).await {
        Ok(Some(Ok(stats))) => read(&stats),
        _ => Usage::default(),
    }
}

/// What is known after another look: what is used now, and what only grows.
pub(crate) fn merge(before: Usage, now: Usage) -> Usage {
    Usage {
        cpu_ms: before.cpu_ms.max(now.cpu_ms),
        memory_bytes: now.memory_bytes,
        processes: now.processes,
        memory_peak_bytes: before.memory_peak_bytes.max(now.memory_peak_bytes),
        cpu_throttled_ms: before.cpu_throttled_ms.max(now.cpu_throttled_ms),
        processes_peak: before.processes_peak.max(now.processes_peak),
        ..before
    }
}

fn read(stats: &ContainerStatsResponse) -> Usage {
    let (cpu, memory) = (stats.cpu_stats.as_ref(), stats.memory_stats.as_ref());
    let used = cpu.and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage).filter(|used| *used > 0);
    if used.is_none() {
        // The answer for a container that has ended is all zeros.
        return Usage::default();
    }
    let throttled = cpu.and_then(|cpu| cpu.throttling_data.as_ref()?.throttled_time);
    Usage {
        cpu_ms: used.map(to_millis),
        memory_bytes: memory.and_then(|memory| memory.usage),
        processes: stats.pids_stats.as_ref().and_then(|pids| pids.current),
        memory_peak_bytes: memory.and_then(|memory| memory.max_usage.max(memory.usage)),
        cpu_throttled_ms: throttled.map(to_millis),
        processes_peak: stats.pids_stats.as_ref().and_then(|pids| pids.current),
        ..Usage::default()
    }
}

fn to_millis(nanoseconds: u64) -> u64 {
    nanoseconds / 1_000_000
}
