//! `velo doctor`: what is wrong with this device, step by step.

use super::{
    Settings, checkup,
    client::Client,
    device,
    output::{count, plain_lines, say, say_json, waiting},
};
use crate::{
    api::{
        Action, ApiError, Request,
        checkup::{Checkup, Request as CheckupRequest, StepName, Verdict},
        damage::{DamageRow, LogGap},
        status::Status,
        verify::Verified,
        workspace::Introduction,
    },
    data_dir,
};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Looks for what is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  velo doctor\n  velo doctor --verify\n  velo doctor Ben\n  \
    velo doctor /ip4/192.168.1.7/tcp/4001\n\n\
    With a name it goes step by step: is this device listening, was the other found, dialled, authenticated, \
    admitted, and do both hold the same? An address is dialled, and remembered as by `velo peers add`.\n\
    Exits with 1 if something is wrong.")]
pub(super) struct Doctor {
    /// What keeps this device and one other apart: by name, by the start of the device's id, or by address
    whom: Option<String>,
    /// Seconds to wait until that other one is reached and both hold the same, at most a day
    #[arg(long, default_value_t = 5, requires = "whom")]
    wait: u64,
    /// Read every entry of every log from the disk and check it
    #[arg(long, conflicts_with = "whom")]
    verify: bool,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
struct Step {
    name: &'static str,
    verdict: Verdict,
    told: String,
    /// What `told` says, for scripts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damage: Vec<DamageRow>,
}

impl Step {
    fn new(name: &'static str, verdict: Verdict, told: String) -> Self {
        Self { name, verdict, told, damage: Vec::new() }
    }
}

impl Doctor {
    pub(super) fn run(&self, settings: &Settings) -> Result<ExitCode, ApiError> {
        if let Some(whom) = &self.whom {
            return checkup::run(whom, self.wait, settings);
        }
        let mut steps = vec![person(settings), holder(settings)];
        match examine(settings) {
            Ok(status) => {
                steps.extend(of_status(&status));
                steps.push(damage(settings));
            }
            Err(error) => steps.push(Step::new("open", Verdict::Bad, error.to_string())),
        }
        if self.verify {
            let bar = waiting("Reading every entry", settings.json);
            steps.push(verified(settings));
            bar.finish_and_clear();
        }
        // What is wrong with opening was said.
        let peers: Vec<Checkup> =
            ask(settings, Action::Checkup(CheckupRequest::default())).unwrap_or_default();
        let sick = steps.iter().any(|step| step.verdict == Verdict::Bad);
        if settings.json {
            say_json(&serde_json::json!({ "healthy": !sick, "steps": steps, "peers": peers }));
        } else {
            // That this device listens nowhere is said once.
            let found = peers.iter().filter(|peer| peer.failed != Some(StepName::Listening));
            let found = found.filter_map(checkup::short);
            steps.extend(found.map(|(verdict, told)| Step::new("peer", verdict, told)));
            steps.iter().for_each(print);
        }
        Ok(if sick { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn print(step: &Step) {
    say(format!("{} {:<10} {}", checkup::mark(step.verdict), step.name, plain_lines(&step.told)));
}

fn person(settings: &Settings) -> Step {
    let (verdict, told) = match Introduction::read(&settings.data_dir) {
        Ok(Some(person)) => (Verdict::Good, person.name),
        Ok(None) => (Verdict::Bad, ApiError::NoIdentity.to_string()),
        Err(error) => (Verdict::Bad, error.to_string()),
    };
    Step::new("person", verdict, told)
}

fn holder(settings: &Settings) -> Step {
    let told = match data_dir::holder(&settings.data_dir) {
        Some(holder) => format!("{holder} has {} open", settings.data_dir.display()),
        None => format!("no process has {} open", settings.data_dir.display()),
    };
    Step::new("process", Verdict::Good, told)
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
    Step::new("entries", verdict, told)
}

/// Whether entries wait for some that are lost.
fn damage(settings: &Settings) -> Step {
    let step = |verdict, told: String| Step::new("damage", verdict, told);
    let rows: Vec<DamageRow> = match ask(settings, Action::Damage) {
        Ok(rows) => rows,
        Err(error) => return step(Verdict::Bad, error.to_string()),
    };
    let verdict = rows.iter().map(severity).max().unwrap_or(Verdict::Good);
    let told: Vec<String> = rows.iter().map(damage_words).collect();
    let told = if told.is_empty() { "none".to_owned() } else { told.join("; ") };
    Step { damage: rows, ..step(verdict, told) }
}

/// What only waits may be on its way.
fn severity(row: &DamageRow) -> Verdict {
    match row.logs.as_slice() {
        _ if row.is_fresh => Verdict::Bad,
        [] => Verdict::Good,
        logs if logs.iter().any(is_broken) => Verdict::Bad,
        _ => Verdict::Notice,
    }
}

/// Whether damage took something of a log that nobody has brought back yet.
fn is_broken(gap: &LogGap) -> bool {
    gap.lost > 0 || gap.log.is_none()
}

fn damage_words(row: &DamageRow) -> String {
    let places = count(row.places, "damaged place");
    // A backup that was restored lacks what came later, and nothing of it is damaged.
    let copies = if row.quarantine.exists() {
        format!(" Copies of what is damaged lie in {}.", row.quarantine.display())
    } else {
        String::new()
    };
    let logs: Vec<String> = row.logs.iter().map(gap_words).collect();
    let said = match severity(row) {
        _ if row.is_fresh => fresh_words(row.places),
        Verdict::Good => {
            format!("nothing waits for what {places} of the past took.{copies}")
        }
        Verdict::Notice => {
            format!("{}. They are shown as soon as a device that has those is met", logs.join("; "))
        }
        Verdict::Bad => format!(
            "{}.{copies} Any other device with this workspace brings back what is lost: \
             run `velo node` or the app on both, and `velo peers add ADDRESS` where they do not find each other; \
             without one, restore a backup of the data directory",
            logs.join("; ")
        ),
    };
    // The name may be among what was lost.
    let workspace = if row.name.is_empty() {
        format!("workspace {}", row.workspace.short())
    } else {
        format!("\"{}\"", row.name)
    };
    format!("{workspace}: {said}")
}

/// How much waits is known when it was repaired.
fn fresh_words(places: usize) -> String {
    let met = if places == 0 { "damage".to_owned() } else { count(places, "damaged place") };
    format!(
        "{met} met in the log files: stop `velo node` and the app and start them again, which repairs it; then run \
         `velo doctor` again"
    )
}

fn gap_words(gap: &LogGap) -> String {
    let whose = match (&gap.author, &gap.device) {
        (Some(author), Some(device)) => format!("{author}'s log on device {}", device.short()),
        _ => "a log whose author is not known any more".to_owned(),
    };
    if gap.waiting == 0 {
        return match gap.lost {
            1 => format!("the last entry of {whose} is lost"),
            more => format!("the last {more} entries of {whose} are lost"),
        };
    }
    let (entries, waits) = match gap.waiting {
        1 => ("1 entry".to_owned(), "waits"),
        more => (format!("{more} entries"), "wait"),
    };
    let lost = match gap.lost {
        _ if gap.log.is_none() => "what damage took before them".to_owned(),
        0 => "others that are not here".to_owned(),
        1 => "one lost by damage".to_owned(),
        more => format!("{more} lost by damage"),
    };
    format!("{entries} of {whose} {waits} for {lost}")
}

fn examine(settings: &Settings) -> Result<Status, ApiError> {
    ask(settings, Action::Status)
}

fn ask<T: serde::de::DeserializeOwned>(settings: &Settings, action: Action) -> Result<T, ApiError> {
    let client = Client::open(settings, false)?;
    let answer = client.call(Request { workspace: settings.workspace.clone(), action });
    client.close()?;
    serde_json::from_value(answer?)
        .map_err(|error| ApiError::Failed(format!("an answer of another version: {error}")))
}

fn of_status(status: &Status) -> Vec<Step> {
    let step = Step::new;
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
    let broken = status
        .peers
        .iter()
        .flat_map(|peer| peer.breaches.iter().map(|why| format!("{}: {why}", peer.title())));
    let broken: Vec<String> = broken.collect();
    let peers = match (connected, behind) {
        _ if !broken.is_empty() => (Verdict::Bad, broken.join("; ")),
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
    let out = status.workspaces.iter().filter(|row| device::is_out(row));
    let out: Vec<_> = out
        .map(|row| {
            let (name, id) = (device::titled(row), row.id.short());
            format!(
                "{name}: {}, so what you do here reaches nobody; `velo workspace forget {id}` takes it off",
                device::place(row)
            )
        })
        .collect();
    let workspaces = match (status.unopened.as_slice(), out.is_empty()) {
        ([], true) => (Verdict::Good, status.workspaces.len().to_string()),
        ([], false) => (Verdict::Notice, out.join("; ")),
        (reasons, _) => (Verdict::Bad, reasons.join("; ")),
    };
    let relays = status.relays.iter().map(|relay| {
        let verdict = if relay.reserved { Verdict::Good } else { Verdict::Notice };
        step("relay", verdict, relay.told())
    });
    let mut steps = vec![
        step("disk", disk, told),
        step("workspaces", workspaces.0, workspaces.1),
        step("listening", listening.0, listening.1),
        step("peers", peers.0, peers.1),
        step("conflicts", open.0, open.1),
    ];
    // With what it says of listening.
    steps.splice(3..3, relays);
    steps
}
