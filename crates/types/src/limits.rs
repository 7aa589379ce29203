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
        check("file_bytes", self.file_bytes as f64, 4096.0, 1024.0 * GIB as f64)?;
        check("wall_seconds", self.wall_seconds.into(), 1.0, 30.0 * 86_400.0)?;
        check("output_bytes", self.output_bytes as f64, 1024.0, 1024.0 * GIB as f64)
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
    fn a_bad_field_is_named() {
        let bad = Limits { processes: 1, ..Limits::default() };
        assert_eq!(bad.validate().unwrap_err().field, "processes");
        let bad = Limits { cpus: f64::NAN, ..Limits::default() };
        assert_eq!(bad.validate().unwrap_err().field, "cpus");
    }
}
