//! `velo-relay bench`: the figures that a relay is judged by, measured on this machine and its database server.
//!
//! [`ingest`] writes a seeded trace ([`velo_protocol::workload`]) into a database, beside a bare `COPY`. Then a
//! device that holds the same trace has a relay carry it over libp2p, and [`changes`] asks that relay over HTTP
//! for pages of it. [`live`] times edits between two devices that only two relays on one database connect.
//! [`crowd`] connects many devices to one relay and looks at its memory. Machines are noisy: compare figures of
//! one run, as ratios.

mod changes;
mod client;
mod crowd;
mod ingest;
mod live;
mod process;
mod report;
mod server;

use crate::store::InDatabase;
use clap::Args;
use process::{CIRCUITS, Relay};
use report::Report;
use server::Server;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use velo_node::{
    api::ApiError,
    bench::{Stage, free_port, keep_trace},
    cli::interrupted,
};

/// How often [`Stage::step`] is called.
const STEPS: u64 = 5;

/// Measures this machine and its database server.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    DATABASE_URL=postgres://user:password@localhost/postgres velo-relay bench --ops 100000\n  \
    velo-relay bench --ops 1000000 --json\n\n\
    Makes databases of its own on the server that DATABASE_URL names, and drops them. Needs about two kilobytes \
    of disk space there for each operation, and here about one kilobyte, and ten megabytes of memory for each \
    device.")]
pub struct Bench {
    /// Operations in the trace; about 1,000 of them set the projects up
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(2_000..=10_000_000), value_name = "N")]
    ops: u64,
    /// Pages of changes to ask for, at 20 a second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(50..=100_000), value_name = "N")]
    queries: u32,
    /// Live edits to time
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(50..=100_000), value_name = "N")]
    edits: u32,
    /// Devices to connect to one relay
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_500), value_name = "N")]
    devices: u32,
    /// How many of them share a workspace
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100), value_name = "N")]
    team: u32,
    /// Makes the trace; the same seed makes the same one
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Bench {
    /// Measures everything. Gives it as a table or as one JSON object.
    pub fn run(&self, database: Option<&Arc<InDatabase>>, json: bool) -> Result<String, ApiError> {
        let url = database.map(|database| database.url()).ok_or_else(|| {
            ApiError::Invalid(
                "the bench measures a PostgreSQL server: name it as DATABASE_URL. It makes databases of its own \
                 there, and drops them"
                    .to_owned(),
            )
        })?;
        let stage = Stage::new(STEPS, json);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| ApiError::Failed(format!("starting a thread: {error}")))?;
        let report = runtime.block_on(async {
            let mut server = Server::at(url)?;
            let report = tokio::select! {
                report = self.measure(&mut server, &stage) => report,
                // Dropping what is measured ends its processes and removes their folders.
                _ = interrupted() => Err(ApiError::Failed("interrupted".into())),
            };
            let cleared = server.clear().await;
            report.and_then(|report| cleared.map(|()| report))
        });
        stage.end();
        let report = report?;
        Ok(if json { report.to_json().to_string() } else { report.to_text() })
    }

    async fn measure(&self, server: &mut Server, stage: &Stage) -> Result<Report, ApiError> {
        let home = tempfile::Builder::new().prefix("velo-bench-").tempdir();
        let home = home.map_err(|error| ApiError::Failed(format!("making a temporary folder: {error}")))?;
        let place = |what: &str| home.path().join(what);
        stage.step("Writing the trace into the database");
        let url = server.make("ingest").await?;
        let ingest = ingest::measure(&url, self.seed, self.ops).await?;
        stage.step("A device fills a relay");
        let url = server.make("changes").await?;
        let (fill, changes) = self.carried(&url, &place("changes"), stage).await?;
        stage.step("Live edits over two relays");
        let live = live::measure(&server.make("live").await?, &place("live"), self.edits).await?;
        stage.step("Connecting devices");
        let (devices, team) = (self.devices as usize, self.team as usize);
        let url = server.make("crowd").await?;
        let crowd = crowd::measure(&url, &place("crowd"), devices, team).await?;
        Ok(Report { ops: self.ops, seed: self.seed, ingest, fill, changes, live, crowd })
    }

    /// A relay that carries the trace: how long it takes to fill it, and to ask it.
    async fn carried(
        &self,
        url: &str,
        home: &Path,
        stage: &Stage,
    ) -> Result<(Duration, changes::Changes), ApiError> {
        let token = process::token(url, home, 1).await?;
        let (seed, ops, data_dir) = (self.seed, self.ops, home.join("device/data"));
        let (trace, _) = process::blocking(move || keep_trace(seed, ops, &data_dir)).await?;
        let (workspace, key) = (trace.record.id, trace.identity.device.clone());
        drop(trace);
        let device = process::device(&home.join("device")).await?;
        let http = free_port()?;
        let mut relay = Relay::start(home, url, Some(http), &[CIRCUITS]).await?;
        let start = Instant::now();
        process::carry(&device, workspace, &relay, &token).await?;
        let fill = start.elapsed();
        stage.step("Asking for changes");
        let changes = changes::measure(http, workspace, &key, self.queries, self.seed).await?;
        process::end(device).await?;
        relay.stop().await?;
        Ok((fill, changes))
    }
}
