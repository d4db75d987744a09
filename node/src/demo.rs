//! `velo demo`: the main job in one command, without a display.
//!
//! Three people, three processes, real libp2p on loopback. Anna imports a board, Ben and Chi join by
//! ticket. All three go offline: their processes run on without a network. They edit the same tasks,
//! come back, and agree; what they disagree on is shown as conflicts, one is settled, and equal
//! state hashes prove that nobody sees anything else than the others.
//!
//! [`peer`] starts and ends the processes, [`story`] tells them what to do, [`live`] times their
//! edits, [`edits`] is what they do offline, [`report`] is what came of it.

mod edits;
pub(crate) mod live;
pub(crate) mod peer;
pub(crate) mod report;
mod story;

use crate::{api::ApiError, cli::output::say};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::{path::PathBuf, process::ExitCode};

/// Shows three devices that work offline and agree afterwards.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  velo demo\n  velo demo --board trello-export.json\n  velo demo --json\n\n\
    Everything happens in a temporary folder and on loopback. Exits with 1 if the devices disagree."
)]
pub struct Demo {
    /// A Trello export to import, instead of the board that comes with Velo
    #[arg(long, value_name = "FILE")]
    board: Option<PathBuf>,
    /// Live edits to time
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(50..=10_000), value_name = "N")]
    edits: u32,
}

/// Where something long tells how far it is.
#[derive(Debug)]
pub struct Stage {
    bar: ProgressBar,
    quiet: bool,
}

impl Stage {
    /// A bar of `steps` on a terminal; lines elsewhere; nothing if `quiet`.
    pub fn new(steps: u64, quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(steps) };
        if let Ok(style) = ProgressStyle::with_template("{bar:24.green} {msg}") {
            bar.set_style(style);
        }
        Self { bar, quiet }
    }

    /// The next step begins.
    pub fn step(&self, what: &'static str) {
        self.bar.set_message(what);
        self.bar.inc(1);
    }

    /// Something worth reading.
    pub fn tell(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| say(line));
        }
    }

    /// No more steps.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Demo {
    /// Runs the demo and prints its report, as text or as one JSON object.
    pub fn run(&self, json: bool) -> Result<ExitCode, ApiError> {
        let stage = Stage::new(story::STEPS, json);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ApiError::Failed(error.to_string()))?;
        let report = runtime.block_on(async {
            tokio::select! {
                report = story::play(self, &stage) => report,
                // Dropping the story ends its processes and removes their folders.
                _ = crate::cli::interrupted() => Err(ApiError::Failed("interrupted".into())),
            }
        });
        stage.end();
        let report = report?;
        if json {
            say(report.to_json());
        } else {
            say(report.to_text().trim_end());
        }
        Ok(if report.converged { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
