//! `velo bench`: the figures that Velo is judged by, measured on this machine.
//!
//! One seeded trace ([`velo_protocol::workload`]) is written into the data directory of a device,
//! as if ten devices had worked there. [`local`] measures edits on it, in memory and durable, and
//! beside them what the disk alone takes. [`pair`] starts that device and a new one as processes of
//! their own, with libp2p over loopback: catching up from nothing, live edits, a sync with nothing
//! to do; then it opens the workspace in a fresh process. [`many`] has another one catch up among three that
//! have everything. Machines are noisy: compare figures of
//! one run, as ratios.

pub mod goal;
mod local;
mod many;
mod pair;
mod report;
mod split;

use crate::{
    api::ApiError,
    cli::{self, output::say},
    data_dir::DataDir,
    handle::NodeError,
    keystore::Keys,
    store::log_files::FileLog,
};
use clap::Args;
use report::Report;
use std::{path::Path, process::ExitCode};
use velo_protocol::{
    store::LogStore,
    workload::{self, Trace},
};

pub use crate::demo::{Stage, peer::Peer, report::Latency};
pub use pair::{free_port, rss_bytes};

/// How often [`Stage::step`] is called.
const STEPS: u64 = 9;

/// Measures this machine.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  velo bench --ops 10000\n  velo bench --ops 1000000 --json\n\n\
    Needs about 700 bytes of temporary disk space for each operation; TMPDIR says where.")]
pub struct Bench {
    /// Operations in the trace; about 1,000 of them set the projects up
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(2_000..=10_000_000), value_name = "N")]
    ops: u64,
    /// Single edits of each kind to time
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(50..=100_000), value_name = "N")]
    edits: u32,
    /// Makes the trace; the same seed makes the same one
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Bench {
    /// Measures everything and prints it, as a table or as one JSON object.
    pub fn run(&self, json: bool) -> Result<ExitCode, ApiError> {
        let stage = Stage::new(STEPS, json);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(NodeError::Thread)?;
        let report = runtime.block_on(async {
            tokio::select! {
                report = self.measure(&stage) => report,
                // Dropping what is measured ends its processes and removes their folders.
                _ = cli::interrupted() => Err(ApiError::Failed("interrupted".into())),
            }
        });
        stage.end();
        let report = report?;
        if json {
            say(report.to_json());
        } else {
            say(report.to_text().trim_end());
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn measure(&self, stage: &Stage) -> Result<Report, ApiError> {
        let home = tempfile::Builder::new().prefix("velo-bench-").tempdir();
        let home = home.map_err(|error| ApiError::Failed(format!("making a temporary folder: {error}")))?;
        let mut old = Peer::new("Anna", home.path())?;
        stage.step("Writing the trace");
        let (trace, log) = keep_trace(self.seed, self.ops, &old.data_dir)?;
        stage.step("Editing in memory");
        let in_memory = local::in_memory(&trace, &log.reader(), self.edits)?;
        stage.step("Taking the trace in, part by part");
        let split = split::measure(&trace, &log.reader())?;
        drop(log);
        stage.step("Editing durably");
        let durable = local::durable(&trace, &old.data_dir, self.edits).await?;
        let mut new = Peer::new("Ben", home.path())?;
        let pair = pair::measure(&mut old, &mut new, &trace, self.edits, stage).await?;
        let many = many::measure([&mut old, &mut new], home.path(), stage).await?;
        Ok(Report { seed: self.seed, trace, in_memory, split, durable, pair, many })
    }
}

/// Makes a device that holds the trace of about `ops` operations, and is the first of those who wrote it.
pub fn keep_trace(seed: u64, ops: u64, data_dir: &Path) -> Result<(Trace, FileLog), ApiError> {
    let failed = |error: &dyn std::fmt::Display| ApiError::Failed(format!("writing the trace: {error}"));
    let id = workload::generate(seed, 1, &mut |_| Ok(())).map_err(|error| failed(&error))?.record.id;
    let dir = DataDir::open(data_dir).map_err(|error| failed(&error))?;
    let (mut log, _) = FileLog::open(&dir.log(id), id, None).map_err(|error| failed(&error))?;
    let trace = workload::generate(seed, ops, &mut |batch| log.append(&batch));
    let trace = trace.map_err(|error| failed(&error))?;
    Keys::keep(&dir.keys(), &trace.identity).map_err(|error| failed(&error))?;
    dir.remember(&trace.record).map_err(|error| failed(&error))?;
    Ok((trace, log))
}
