//! `velo doctor`: what is wrong with this device, step by step.

use super::{
    Settings,
    client::Client,
    output::{BAD, GOOD, NOTICE, plain_lines, say, say_json, styled},
};
use crate::{
    api::{Action, ApiError, Request, status::Status, verify::Verified, workspace::Introduction},
    data_dir,
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::{process::ExitCode, time::Duration};

/// Looks for what is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  velo doctor\n  velo doctor --verify\n\n\
    Exits with 1 if something is wrong.")]
pub(super) struct Doctor {
    /// Read every entry of every log from the disk and check it
    #[arg(long)]
    verify: bool,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Notice,
    Bad,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
struct Step {
    name: &'static str,
    verdict: Verdict,
    told: String,
}

impl Doctor {
    pub(super) fn run(&self, settings: &Settings) -> ExitCode {
        let mut steps = vec![person(settings), holder(settings)];
        match examine(settings) {
            Ok(status) => steps.extend(of_status(&status)),
            Err(error) => steps.push(Step { name: "open", verdict: Verdict::Bad, told: error.to_string() }),
        }
        if self.verify {
            let bar = waiting("Reading every entry", settings.json);
            steps.push(verified(settings));
            bar.finish_and_clear();
        }
        let sick = steps.iter().any(|step| step.verdict == Verdict::Bad);
        if settings.json {
            say_json(&serde_json::json!({ "healthy": !sick, "steps": steps }));
        } else {
            steps.iter().for_each(print);
        }
        if sick { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

fn print(step: &Step) {
    let mark = match step.verdict {
        Verdict::Good => styled(GOOD, "✓"),
        Verdict::Notice => styled(NOTICE, "!"),
        Verdict::Bad => styled(BAD, "✗"),
    };
    say(format!("{mark} {:<10} {}", step.name, plain_lines(&step.told)));
}

fn person(settings: &Settings) -> Step {
    let (verdict, told) = match Introduction::read(&settings.data_dir) {
        Ok(Some(person)) => (Verdict::Good, person.name),
        Ok(None) => (Verdict::Bad, ApiError::NoIdentity.to_string()),
        Err(error) => (Verdict::Bad, error.to_string()),
    };
    Step { name: "person", verdict, told }
}

fn holder(settings: &Settings) -> Step {
    let told = match data_dir::holder(&settings.data_dir) {
        Some(holder) => format!("{holder} has {} open", settings.data_dir.display()),
        None => format!("no process has {} open", settings.data_dir.display()),
    };
    Step { name: "process", verdict: Verdict::Good, told }
}

fn verified(settings: &Settings) -> Step {
    let (verdict, told) = match ask::<Verified>(settings, Action::Verify) {
        Err(error) => (Verdict::Bad, error.to_string()),
        Ok(found) if !found.troubles.is_empty() => (Verdict::Bad, found.troubles.join("; ")),
        Ok(Verified { workspaces: 0, .. }) => (Verdict::Good, "there are none yet".to_owned()),
        Ok(Verified { entries, workspaces, known, .. }) => {
            let repaired = if known == 0 { String::new() } else { format!("; {known} damages of the past") };
            (Verdict::Good, format!("{entries} entries of {workspaces} workspaces are whole{repaired}"))
        }
    };
    Step { name: "entries", verdict, told }
}

/// A sign of life on a terminal, with the time it takes: seconds for large logs.
fn waiting(what: &'static str, quiet: bool) -> ProgressBar {
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("{spinner:.green} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn examine(settings: &Settings) -> Result<Status, ApiError> {
    ask(settings, Action::Status)
}

fn ask<T: serde::de::DeserializeOwned>(settings: &Settings, action: Action) -> Result<T, ApiError> {
    let client = Client::open(&settings.data_dir, false)?;
    let answer = client.call(Request { workspace: settings.workspace.clone(), action });
    client.close()?;
    serde_json::from_value(answer?)
        .map_err(|error| ApiError::Failed(format!("an answer of another version: {error}")))
}

fn of_status(status: &Status) -> Vec<Step> {
    let step = |name, verdict, told| Step { name, verdict, told };
    let (disk, told) = match &status.read_only {
        Some(reason) => (Verdict::Bad, format!("nothing can be changed: {reason}")),
        None => (Verdict::Good, "changes can be saved".to_owned()),
    };
    let listening = match status.addresses.as_slice() {
        [] => (
            Verdict::Notice,
            "no node is listening here: run `velo node` or the app to stay in sync".to_owned(),
        ),
        addresses => (Verdict::Good, addresses.join(", ")),
    };
    let connected = status.peers.iter().filter(|peer| peer.shares).count();
    let behind = status.peers.iter().filter(|peer| peer.shares && !peer.synced).count();
    let peers = match (connected, behind) {
        (0, _) => (
            Verdict::Notice,
            "no peer with a common workspace is connected: `velo peers list` says why".to_owned(),
        ),
        (all, 0) => (Verdict::Good, format!("{all} connected, all synced")),
        (all, behind) => (Verdict::Notice, format!("{all} connected, {behind} of them not synced yet")),
    };
    let conflicts: usize = status.workspaces.iter().map(|one| one.conflicts).sum();
    let open = match conflicts {
        0 => (Verdict::Good, "none".to_owned()),
        some => (Verdict::Notice, format!("{some} to be settled: `velo conflicts list`")),
    };
    let workspaces = match status.unopened.as_slice() {
        [] => (Verdict::Good, status.workspaces.len().to_string()),
        reasons => (Verdict::Bad, reasons.join("; ")),
    };
    vec![
        step("disk", disk, told),
        step("workspaces", workspaces.0, workspaces.1),
        step("listening", listening.0, listening.1),
        step("peers", peers.0, peers.1),
        step("conflicts", open.0, open.1),
    ]
}
