//! `velo doctor PEER`, `velo who` and `velo diagnostics`: asking, and how the answers are laid out.

use super::{
    Layout, Settings,
    output::{self, BAD, GOOD, NOTICE, Table, lines, styled},
    read,
};
use crate::{
    api::{
        Action, ApiError, checkup,
        checkup::{Checkup, Step, Verdict},
        diagnostics,
        who::{What, WhoRow},
    },
    diagnostics::{Bundle, file_name},
};
use clap::Args;
use serde_json::Value as Json;
use std::{path::PathBuf, process::ExitCode};

/// Lists who is here.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  velo who\n  velo who --json\n\n\
    Shows those who have Velo open, or a node running, and are connected to this device or to others that \
    are. It is told from device to device, encrypted, and stored nowhere.")]
pub(super) struct Who {}

/// Who is here.
pub(super) fn who(json: &Json) -> Result<String, serde_json::Error> {
    let rows: Vec<WhoRow> = read(json)?;
    let mut table = Table::new(["WHO", "DEVICE", "DOES"]);
    for row in rows {
        let does = match (row.doing, row.short, row.title) {
            (What::Looking, Some(short), Some(title)) => format!("looks at {short}  {title}"),
            (What::Running, ..) => "node is running".to_owned(),
            _ => "is here".to_owned(),
        };
        table.row([row.name, row.device.short(), does]);
    }
    Ok(table.show("Nobody else is here. Only a running node or the app hears of others."))
}

/// Writes diagnostics.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  velo diagnostics\n  velo diagnostics /tmp/velo.zip\n\n\
    One file to send to whoever helps you: versions, how this device and its peers stand, what the doctor \
    says, counts, sizes, and the end of the log. No keys, no secrets, no titles, no names, no texts. \
    Addresses of devices in the network are in it: look through it first.")]
pub(super) struct Diagnostics {
    /// Where to write it [default: velo-diagnostics-DATE.zip, here]
    file: Option<PathBuf>,
}

impl Diagnostics {
    /// Whoever holds the data directory writes it, and may stand in another folder.
    pub(super) fn request(self) -> Result<(Action, Layout), ApiError> {
        let file = self.file.unwrap_or_else(|| file_name().into());
        let file = std::path::absolute(&file)
            .map_err(|error| ApiError::Invalid(format!("{}: {error}", file.display())))?;
        Ok((Action::Diagnostics(diagnostics::Request { file }), written))
    }
}

fn written(json: &Json) -> Result<String, serde_json::Error> {
    let bundle: Bundle = read(json)?;
    let parts = bundle.parts.iter().map(|part| format!("  {:<24} {}", part.name, part.what));
    Ok(format!(
        "Written to {} ({} KiB):\n{}No keys, secrets, titles, names or texts are in it. Addresses of devices in the \
         network are: look through it before you send it.\n",
        bundle.path.display(),
        bundle.bytes.div_ceil(1024),
        lines(parts)
    ))
}

/// Goes step by step through what keeps this device and another apart.
pub(super) fn run(whom: &str, wait: u64, settings: &Settings) -> Result<ExitCode, ApiError> {
    let request = checkup::Request { whom: Some(whom.to_owned()), wait };
    let bar = output::waiting("Looking for it", settings.json);
    let answer = super::call(Action::Checkup(request), settings);
    bar.finish_and_clear();
    let answer = answer?;
    super::print(&answer, |json| Ok(lines(read::<Vec<Checkup>>(json)?.iter().map(whole))), settings.json)?;
    let found: Vec<Checkup> = read(&answer).unwrap_or_default();
    let is_bad = |step: &Step| step.verdict == Verdict::Bad;
    let sick = found.iter().flat_map(|one| &one.steps).any(is_bad);
    Ok(if sick { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Every step that was taken.
fn whole(checkup: &Checkup) -> String {
    let steps = checkup.steps.iter().map(|step| {
        let line = format!("  {} {:<14} {}", mark(step.verdict), step.name.words(), step.told);
        step.advice.map_or_else(|| line.clone(), |advice| format!("{line}\n    → {}", advice.in_commands()))
    });
    format!("{}\n{}", styled(output::HEADING, &checkup.whom), lines(steps))
}

/// The first step that is not good, with what to do; nothing where all is well.
pub(super) fn short(checkup: &Checkup) -> Option<(Verdict, String)> {
    let step = checkup.steps.last().filter(|_| !checkup.is_well())?;
    let advice = step.advice.map_or_else(String::new, |advice| format!(" → {}", advice.in_commands()));
    // Somebody's device that is off does not make this one sick.
    Some((Verdict::Notice, format!("{}: not {}: {}{advice}", checkup.whom, step.name.words(), step.told)))
}

/// The sign of a verdict.
pub(super) fn mark(verdict: Verdict) -> String {
    match verdict {
        Verdict::Good => styled(GOOD, "✓"),
        Verdict::Notice => styled(NOTICE, "!"),
        Verdict::Bad => styled(BAD, "✗"),
    }
}
