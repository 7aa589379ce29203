//! Limits on memory, processes and processor time, and what a sandbox used of them.
//!
//! [`Place`] says where cgroups can be made on this machine and is found once; [`Group`] is the
//! cgroups of one sandbox. Only file names differ between versions: see `v1` and `v2`. The machines
//! that run our tests may have either; `make vm` boots one that has version 2.

mod group;
mod place;
mod v1;
mod v2;

pub(crate) use group::Group;
pub(crate) use place::{Controller, Missing, Place};

/// Length of the window in which a sandbox may use its share of the processors, in microseconds.
/// The kernel's default; a shorter one throttles more smoothly and costs more.
const CPU_PERIOD_US: u64 = 100_000;

/// Processor time a window, in microseconds. The kernel takes no less than 1000.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limits are checked")]
fn cpu_quota_us(cpus: f64) -> u64 {
    ((cpus * CPU_PERIOD_US as f64) as u64).max(1000)
}
