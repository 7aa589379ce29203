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
    /// Steps an agent may begin.
    pub steps: u32,
    /// Calls of models, those that failed included.
    pub model_calls: u32,
    /// Tokens that models may read and write together, summed up over all calls.
    pub model_tokens: u64,
    /// What the calls may cost in US dollars; counted where the operator set a price.
    pub cost_usd: f64,
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
            steps: 1000,
            model_calls: 1000,
            // A long job with a window of 128k tokens.
            model_tokens: 50_000_000,
            cost_usd: 10.0,
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
            steps: self.steps.min(most.steps),
            model_calls: self.model_calls.min(most.model_calls),
            model_tokens: self.model_tokens.min(most.model_tokens),
            cost_usd: self.cost_usd.min(most.cost_usd),
        }
    }

    /// Checks every field against the range in which a sandbox can work at all.
    ///
    /// # Errors
    /// Names the first field outside its range, and the range.
    pub fn validate(&self) -> Result<(), InvalidLimits> {
        self.are_within(&MOST)
    }

    #[expect(clippy::cast_precision_loss, reason = "the numbers are compared and shown, not kept")]
    fn are_within(&self, most: &Self) -> Result<(), InvalidLimits> {
        let check = |field, least: f64, given: f64, most: f64| {
            let fits = (least..=most).contains(&given);
            if fits { Ok(()) } else { Err(InvalidLimits { field, least, most, given }) }
        };
        let whole = |field, least: u64, given: u64, most: u64| {
            check(field, least as f64, given as f64, most as f64)
        };
        check("cpus", LEAST.cpus, self.cpus, most.cpus)?;
        whole("memory_bytes", LEAST.memory_bytes, self.memory_bytes, most.memory_bytes)?;
        whole("processes", LEAST.processes.into(), self.processes.into(), most.processes.into())?;
        let (least, given, most_files) = (LEAST.open_files, self.open_files, most.open_files);
        whole("open_files", least.into(), given.into(), most_files.into())?;
        whole("disk_bytes", LEAST.disk_bytes, self.disk_bytes, most.disk_bytes)?;
        whole("file_bytes", LEAST.file_bytes, self.file_bytes, most.file_bytes)?;
        let (least, given, most_wall) = (LEAST.wall_seconds, self.wall_seconds, most.wall_seconds);
        whole("wall_seconds", least.into(), given.into(), most_wall.into())?;
        whole("output_bytes", LEAST.output_bytes, self.output_bytes, most.output_bytes)?;
        whole("steps", LEAST.steps.into(), self.steps.into(), most.steps.into())?;
        let (least, given, most_calls) = (LEAST.model_calls, self.model_calls, most.model_calls);
        whole("model_calls", least.into(), given.into(), most_calls.into())?;
        whole("model_tokens", LEAST.model_tokens, self.model_tokens, most.model_tokens)?;
        check("cost_usd", LEAST.cost_usd, self.cost_usd, most.cost_usd)
    }
}

/// Below these no sandbox works.
const LEAST: Limits = Limits {
    cpus: 0.01,
    // agentd, one shell and the files they read: with 16 MiB a small Node program was seen to take
    // minutes, reading its own code again and again; with 24 a tenth of a second.
    memory_bytes: 32 * MIB,
    processes: 8,
    open_files: 64,
    // The smallest file system with room for its own tables.
    disk_bytes: 16 * MIB,
    file_bytes: 4 * KIB,
    wall_seconds: 1,
    output_bytes: KIB,
    steps: 1,
    model_calls: 1,
    // Less than one question and its answer take.
    model_tokens: 1000,
    cost_usd: 0.0001,
};

/// Above these nothing makes sense: what the kernel takes, or what no machine has.
const MOST: Limits = Limits {
    cpus: 1024.0,
    memory_bytes: 16 * 1024 * GIB,
    processes: 4_194_304,
    open_files: 1_048_576,
    disk_bytes: 1024 * GIB,
    file_bytes: 1024 * GIB,
    wall_seconds: 30 * 86_400,
    output_bytes: 1024 * GIB,
    steps: 1_000_000,
    model_calls: 1_000_000,
    model_tokens: 1_000_000_000_000,
    cost_usd: 1e6,
};

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
    /// Steps an agent may begin.
    pub steps: Option<u32>,
    /// Calls of models, those that failed included.
    pub model_calls: Option<u32>,
    /// Tokens that models may read and write together, summed up over all calls.
    pub model_tokens: Option<u64>,
    /// What the calls may cost in US dollars; counted where the operator set a price.
    pub cost_usd: Option<f64>,
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
            steps: self.steps.unwrap_or(defaults.steps),
            model_calls: self.model_calls.unwrap_or(defaults.model_calls),
            model_tokens: self.model_tokens.unwrap_or(defaults.model_tokens),
            cost_usd: self.cost_usd.unwrap_or(defaults.cost_usd),
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
    /// What it comes to: defaults above a ceiling are lowered to it.
    #[must_use]
    pub fn in_force(&self) -> Self {
        let ceilings = self.ceilings.lowered_to(&MOST);
        Self { defaults: self.defaults.lowered_to(&ceilings), ceilings }
    }

    /// What a job gets that asks for this. Defaults above a ceiling are lowered to it; a request
    /// above it is refused, so that nobody is surprised in the middle of the work.
    ///
    /// # Errors
    /// Names the first field outside its range, and the range.
    pub fn grant(&self, asked: PartialLimits) -> Result<Limits, InvalidLimits> {
        let Self { defaults, ceilings } = self.in_force();
        let given = asked.or(defaults);
        given.are_within(&ceilings)?;
        Ok(given)
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
        let error = policy.grant(asked).unwrap_err();
        assert_eq!((error.field, error.least, error.most), ("processes", 8.0, 100.0));
    }

    #[test]
    fn a_bad_field_is_named() {
        let bad = Limits { processes: 1, ..Limits::default() };
        assert_eq!(bad.validate().unwrap_err().field, "processes");
        let bad = Limits { cpus: f64::NAN, ..Limits::default() };
        assert_eq!(bad.validate().unwrap_err().field, "cpus");
    }
}
