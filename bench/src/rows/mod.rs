//! The promises, each measured in a file of its own.

mod agents;
mod big_log;
mod cancel;
mod click;
mod crowd;
mod docker;
mod first_frame;
mod flood;
mod hello;
mod idle_job;
mod image;
mod launch;
mod log_line;
mod long_job;
mod memory;
mod queue;
mod reattach;
mod restart;
mod screenshot;
mod status;
mod step;
mod throughput;
mod zip;

use clap::ValueEnum;

use crate::bed::Bed;
use crate::row::Row;

/// What can be measured; one of them may fill more than one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// From `POST` to the first output, and to the ZIP
    Launch,
    /// Jobs per second
    Throughput,
    /// `GET /status` with 5,000 jobs
    Status,
    /// Memory of an idle orchestrator
    Memory,
    /// From a job's output to a client that follows it
    LogLine,
    /// After `kill -9`
    Restart,
    /// After `kill -9` with fifty jobs
    Reattach,
    /// Ten thousand jobs that wait
    Queue,
    /// A gigabyte of log
    BigLog,
    /// Five hundred clients
    Crowd,
    /// A job beside one that floods
    Flood,
    /// From a cancel to no process left
    Cancel,
    /// The same on Docker
    CancelDocker,
    /// Packing
    Zip,
    /// From `POST` to the end of a task of one command
    Hello,
    /// What an agent's step costs
    Step,
    /// agentd's memory and its next question, late in a job
    LongJob,
    /// Fifty agents at one time
    Agents,
    /// From `POST` to the end of a job on Docker
    Docker,
    /// From the first look at a job to its desktop
    FirstFrame,
    /// A picture of a desktop
    Screenshot,
    /// From a click to what it changes
    Click,
    /// Memory of a job that waits
    IdleJob,
    /// The same with a desktop
    IdleDesktop,
    /// The same on Docker
    IdleDocker,
    /// The agent image
    Image,
}

impl What {
    pub(crate) async fn measure(self, bed: &Bed) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::Launch => launch::rows(bed).await,
            Self::Throughput => throughput::rows(bed).await,
            Self::Status => status::rows(bed).await,
            Self::Memory => memory::rows(bed).await,
            Self::LogLine => log_line::rows(bed).await,
            Self::Restart => restart::rows(bed).await,
            Self::Reattach => reattach::rows(bed).await,
            Self::Queue => queue::rows(bed).await,
            Self::BigLog => big_log::rows(bed).await,
            Self::Crowd => crowd::rows(bed).await,
            Self::Flood => flood::rows(bed).await,
            Self::Cancel => cancel::rows(bed).await,
            Self::CancelDocker => cancel::on_docker(bed).await,
            Self::Zip => zip::rows(bed),
            Self::Hello => hello::rows(bed).await,
            Self::Step => step::rows(bed).await,
            Self::LongJob => long_job::rows(bed).await,
            Self::Agents => agents::rows(bed).await,
            Self::Docker => docker::rows(bed).await,
            Self::FirstFrame => first_frame::rows(bed).await,
            Self::Screenshot => screenshot::rows(bed).await,
            Self::Click => click::rows(bed).await,
            Self::IdleJob => idle_job::rows(bed).await,
            Self::IdleDesktop => idle_job::with_desktop(bed).await,
            Self::IdleDocker => idle_job::on_docker(bed).await,
            Self::Image => image::rows(bed).await,
        }
    }
}
