//! The files of version 1: one hierarchy for each controller.

use types::Limits;

use super::group::{Group, Reading, Setting};
use super::{CPU_PERIOD_US, Controller, Place, cpu_quota_us};

/// The cgroups of one sandbox.
pub(super) fn group(place: &Place, name: &str, limits: &Limits) -> Group {
    let mut group = Group::new(place, name);
    let dir = |c| place.parents.get(&c).map(|parent| parent.join(name));
    if let Some(dir) = dir(Controller::Memory) {
        let bytes = limits.memory_bytes;
        group.settings.push(Setting::needed(dir.join("memory.limit_in_bytes"), bytes));
        // Memory and swap together; there is no such file where swap is not accounted.
        group.settings.push(Setting::if_there(dir.join("memory.memsw.limit_in_bytes"), bytes));
        group.memory = Some(Reading::whole(dir.join("memory.usage_in_bytes")));
        group.memory_peak = Some(Reading::whole(dir.join("memory.max_usage_in_bytes")));
        group.oom_kills = Some(Reading::keyed(dir.join("memory.oom_control"), "oom_kill"));
    }
    if let Some(dir) = dir(Controller::Pids) {
        group.settings.push(Setting::needed(dir.join("pids.max"), limits.processes.into()));
        group.processes = Some(Reading::whole(dir.join("pids.current")));
        group.processes_peak = Some(Reading::whole(dir.join("pids.peak")));
        group.processes_refused = Some(Reading::keyed(dir.join("pids.events"), "max"));
    }
    if let Some(dir) = dir(Controller::Cpu) {
        let quota = cpu_quota_us(limits.cpus);
        group.settings.push(Setting::needed(dir.join("cpu.cfs_period_us"), CPU_PERIOD_US));
        group.settings.push(Setting::needed(dir.join("cpu.cfs_quota_us"), quota));
        let throttled = Reading::keyed(dir.join("cpu.stat"), "throttled_time");
        group.cpu_throttled_ms = Some(throttled.divided_by(1_000_000));
    }
    if let Some(dir) = dir(Controller::Cpuacct) {
        group.cpu_ms = Some(Reading::whole(dir.join("cpuacct.usage")).divided_by(1_000_000));
    }
    group
}
