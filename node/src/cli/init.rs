//! `velo init`: a person introduces themselves, or takes another name.

use super::{
    Settings,
    client::Client,
    output::{plain_lines, say, say_json},
    read,
};
use crate::{
    api::{
        Action, ApiError, Request,
        person::{Introduce, Introduced},
        workspace::Introduction,
    },
    control,
    data_dir::DataDir,
    handle::NodeError,
    keystore::Keys,
};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Introduces a person on this device and makes its keys.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  velo init --name Anna\n  velo init --name \"Anna Keller\" --rename\n\n\
    Works beside the running app too. Several devices on one machine: give each its own --data-dir.")]
pub(super) struct Init {
    /// Your name, as others see it
    #[arg(long)]
    name: String,
    /// Take this name instead of the one given before, in every workspace
    #[arg(long)]
    rename: bool,
}

impl Init {
    pub(super) fn run(&self, settings: &Settings) -> Result<ExitCode, ApiError> {
        let known = Introduction::read(&settings.data_dir)?;
        let request = Introduce { name: self.name.clone(), rename: self.rename };
        request.check(known.as_ref())?;
        let person = Introduction::new(&self.name)?;
        // The app's first page waits for a name, and holds the directory.
        let is_served = matches!(control::answers(&settings.data_dir), Ok(true));
        let introduced =
            if known.is_some() || is_served { ask(request, settings)? } else { make(person, settings)? };
        tell(&introduced, settings.json);
        Ok(ExitCode::SUCCESS)
    }
}

/// Has a node note the name, which shows it in every workspace.
fn ask(request: Introduce, settings: &Settings) -> Result<Introduced, ApiError> {
    let client = Client::open(settings, false)?;
    let answer = client.call(Request { workspace: None, action: Action::Introduce(request) });
    client.close()?;
    read(&answer?).map_err(|error| ApiError::Failed(format!("an answer of another version: {error}")))
}

/// Makes a device of a folder that nobody uses.
fn make(person: Introduction, settings: &Settings) -> Result<Introduced, ApiError> {
    let dir = DataDir::open(&settings.data_dir).map_err(NodeError::from)?;
    let records = dir.records().map_err(NodeError::from)?;
    let identity = Keys::of_device(&dir, &records).map_err(NodeError::from)?.identity();
    person.write(dir.path())?;
    let (name, device) = (person.name, identity.device_id());
    Ok(Introduced { name, person: identity.person, device, before: None })
}

fn tell(introduced: &Introduced, as_json: bool) {
    let Introduced { name, person, device, before } = introduced;
    if as_json {
        let mut told = json!({ "name": name, "person": person, "device": device });
        if let Some(before) = before {
            told["before"] = before.as_str().into();
        }
        return say_json(&told);
    }
    let name = plain_lines(name);
    match before {
        Some(before) => say(format!("{} is now called {name}, in every workspace.", plain_lines(before))),
        None => say(format!("Hello {name}. Next: `velo workspace create NAME`, or `velo join TICKET`.")),
    }
}
