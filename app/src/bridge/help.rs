//! The connection doctor and the diagnostics file, from the node to what the dialogs show.

use crate::view::doctor::{Bundle, Checkup, Step, Verdict};
use velo_node::{api::checkup, diagnostics, handle::NodeHandle};

/// What is between this device and every other.
pub fn doctor(node: &NodeHandle) -> Vec<Checkup> {
    checkup::all(node).into_iter().map(shown).collect()
}

fn shown(found: checkup::Checkup) -> Checkup {
    let well = found.is_well();
    let step = |step: checkup::Step| Step {
        name: step.name.words(),
        verdict: match step.verdict {
            checkup::Verdict::Good => Verdict::Good,
            checkup::Verdict::Notice => Verdict::Notice,
            checkup::Verdict::Bad => Verdict::Bad,
        },
        told: step.told,
        advice: step.advice.map(checkup::Advice::in_the_app),
    };
    Checkup { whom: found.whom, well, steps: found.steps.into_iter().map(step).collect() }
}

/// Writes the diagnostics to where people look for files. `Err`: why not, for people.
pub fn diagnose(node: &NodeHandle) -> Result<Bundle, String> {
    let path = diagnostics::folder(node.data_dir()).join(diagnostics::file_name());
    let written = diagnostics::write(node, &path).map_err(|error| error.to_string())?;
    let parts = written.parts.into_iter().map(|part| (part.name, part.what)).collect();
    Ok(Bundle { path: written.path, parts })
}
