use serde::{Deserialize, Serialize};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// What a job may use. Missing fields take the default.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Processor time per second of wall time; 1.5 is one and a half cores.
    pub cpus: f64,
    /// Memory of all processes together, the sandbox's tmpfs included, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads at one time.
    pub processes: u32,
    /// Open files of one process.
    pub open_files: u32,
    /// Everything in `/workspace` together, in bytes.
    pub disk_bytes: u64,
    /// Size of one file, in bytes.
    pub file_bytes: u64,
    /// Seconds from the sandbox's start to the job's end.
    pub wall_seconds: u32,
    /// Bytes of stdout and stderr together.
    pub output_bytes: u64,
}

impl Default for Limits {
    /// Enough for a build or a test run of a small project, small enough that a few jobs fit on
    /// a laptop.
    fn default() -> Self {
        Self {
            cpus: 2.0,
            memory_bytes: 2 * GIB,
            processes: 512,
            open_files: 4096,
            disk_bytes: 4 * GIB,
            file_bytes: 4 * GIB,
            wall_seconds: 3600,
            output_bytes: GIB,
        }
    }
}

/// A limit outside what makes sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("limits.{field} must be between {least} and {most}, not {given}")]
pub struct InvalidLimits {
    /// The field's name.
    pub field: &'static str,
    /// The smallest allowed value.
    pub least: f64,
    /// The largest allowed value.
    pub most: f64,
    /// What was asked for.
    pub given: f64,
}

impl Limits {
    fn lowered_to(self, most: &Self) -> Self {
        Self {
            cpus: self.cpus.min(most.cpus),
            memory_bytes: self.memory_bytes.min(most.memory_bytes),
            processes: self.processes.min(most.processes),
            open_files: self.open_files.min(most.open_files),
            disk_bytes: self.disk_bytes.min(most.disk_bytes),
            file_bytes: self.file_bytes.min(most.file_bytes),
            wall_seconds: self.wall_seconds.min(most.wall_seconds),
            output_bytes: self.output_bytes.min(most.output_bytes),
        }
    }

    /// Checks every field against the range in which a sandbox can work at all.
    ///
    /// # Errors
    /// Names the first field outside its range, and the range.
    #[expect(clippy::cast_precision_loss, reason = "the numbers are compared and shown, not kept")]
    pub fn validate(&self) -> Result<(), InvalidLimits> {
        check("cpus", self.cpus, 0.01, 1024.0)?;
        // agentd and one shell need about 8 MiB; below 16 a job cannot say why it failed.
        check(
            "memory_bytes",
            self.memory_bytes as f64,
            16.0 * MIB as f64,
            16.0 * 1024.0 * GIB as f64,
        )?;
        check("processes", self.processes.into(), 8.0, 4_194_304.0)?;
        check("open_files", self.open_files.into(), 64.0, 1_048_576.0)?;
        // The smallest file system with room for its own tables.
        check("disk_bytes", self.disk_bytes as f64, 16.0 * MIB as f64, 1024.0 * GIB as f64)?;
        check("file_bytes", self.file_bytes as f64, 4096.0, 1024.0 * GIB as f64)?;
        check("wall_seconds", self.wall_seconds.into(), 1.0, 30.0 * 86_400.0)?;
        check("output_bytes", self.output_bytes as f64, 1024.0, 1024.0 * GIB as f64)
    }
}

/// What a client asks for: missing fields take the operator's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PartialLimits {
    /// Processor time per second of wall time; 1.5 is one and a half cores.
    pub cpus: Option<f64>,
    /// Memory of all processes together, the sandbox's tmpfs included, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads at one time.
    pub processes: Option<u32>,
    /// Open files of one process.
    pub open_files: Option<u32>,
    /// Everything in `/workspace` together, in bytes.
    pub disk_bytes: Option<u64>,
    /// Size of one file, in bytes.
    pub file_bytes: Option<u64>,
    /// Seconds from the sandbox's start to the job's end.
    pub wall_seconds: Option<u32>,
    /// Bytes of stdout and stderr together.
    pub output_bytes: Option<u64>,
}

impl PartialLimits {
    /// Fills what is missing.
    #[must_use]
    pub fn or(self, defaults: Limits) -> Limits {
        Limits {
            cpus: self.cpus.unwrap_or(defaults.cpus),
            memory_bytes: self.memory_bytes.unwrap_or(defaults.memory_bytes),
            processes: self.processes.unwrap_or(defaults.processes),
            open_files: self.open_files.unwrap_or(defaults.open_files),
            disk_bytes: self.disk_bytes.unwrap_or(defaults.disk_bytes),
            file_bytes: self.file_bytes.unwrap_or(defaults.file_bytes),
            wall_seconds: self.wall_seconds.unwrap_or(defaults.wall_seconds),
            output_bytes: self.output_bytes.unwrap_or(defaults.output_bytes),
        }
    }
}

/// What the operator gives and allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitsPolicy {
    /// For whoever asks for nothing.
    pub defaults: Limits,
    /// The most anybody may ask for.
    pub ceilings: Limits,
}

impl LimitsPolicy {
    /// What a job gets that asks for this. Defaults above a ceiling are lowered to it; a request
    /// above it is refused, so that nobody is surprised in the middle of the work.
    ///
    /// # Errors
    /// Names the first field outside its range, and the range.
    #[expect(clippy::cast_precision_loss, reason = "the numbers are compared and shown, not kept")]
    pub fn grant(&self, asked: PartialLimits) -> Result<Limits, InvalidLimits> {
        let (most, given) = (&self.ceilings, asked.or(self.defaults.lowered_to(&self.ceilings)));
        given.validate()?;
        check("cpus", given.cpus, 0.01, most.cpus)?;
        let whole = [
            ("memory_bytes", given.memory_bytes, most.memory_bytes),
            ("processes", given.processes.into(), most.processes.into()),
            ("open_files", given.open_files.into(), most.open_files.into()),
            ("disk_bytes", given.disk_bytes, most.disk_bytes),
            ("file_bytes", given.file_bytes, most.file_bytes),
            ("wall_seconds", given.wall_seconds.into(), most.wall_seconds.into()),
            ("output_bytes", given.output_bytes, most.output_bytes),
        ];
        for (field, given, most) in whole {
            check(field, given as f64, 0.0, most as f64)?;
        }
        Ok(given)
    }
}

fn check(field: &'static str, given: f64, least: f64, most: f64) -> Result<(), InvalidLimits> {
    if (least..=most).contains(&given) {
        Ok(())
    } else {
        Err(InvalidLimits { field, least, most, given })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Limits::default().validate(), Ok(()));
    }

    #[test]
    fn more_than_the_ceiling_is_refused_and_a_default_above_it_lowered() {
        let ceilings = Limits { processes: 100, cpus: 1.0, ..Limits::default() };
        let policy = LimitsPolicy { defaults: Limits::default(), ceilings };
        assert_eq!(policy.grant(PartialLimits::default()).unwrap(), ceilings);
        let asked = PartialLimits { processes: Some(50), ..PartialLimits::default() };
        assert_eq!(policy.grant(asked).unwrap(), Limits { processes: 50, ..ceilings });
        let asked = PartialLimits { processes: Some(101), ..PartialLimits::default() };
        assert_eq!(policy.grant(asked).unwrap_err().field, "processes");
    }

    #[test]
    fn a_bad_field_is_named() {
        let bad = Limits { processes: 1, ..Limits::default() };
        assert_eq!(bad.validate().unwrap_err().field, "processes");
        let bad = Limits { cpus: f64::NAN, ..Limits::default() };
        assert_eq!(bad.validate().unwrap_err().field, "cpus");
    }
}
