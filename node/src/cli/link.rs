//! `velo link` and `velo recover`: further devices of a person.

use super::{
    Settings,
    client::Client,
    key::typed_root,
    output::{GOOD, NOTICE, complain, count, plain_answer, say, say_json, styled},
    read,
};
use crate::{
    api::{
        Action, ApiError, Request,
        link::{self, CodeAnswer, LinkedAnswer},
    },
    qr,
};
use clap::Args;
use serde_json::Value as Json;
use std::{path::PathBuf, process::ExitCode};
use velo_protocol::link_code::LinkCode;

/// Links devices of one person.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  velo link\n  velo link velolink1aeaq…\n  velo link --image code.png\n\n\
    On the new device, `velo link` shows its code and waits; on a device that you use already, `velo link \
    CODE` takes it in. Both must be able to reach each other, such as on one LAN. The new device may be in no \
    workspace yet. It then belongs to the same person, in every workspace; `velo device unlink` takes it away \
    again."
)]
pub(super) struct Link {
    /// The code that the new device shows; without it, this is the new device
    code: Option<String>,
    /// Read the code from this picture, PNG or JPEG
    #[arg(long, value_name = "FILE", conflicts_with = "code")]
    image: Option<PathBuf>,
    /// Show the code as a QR code too
    #[arg(long, conflicts_with_all = ["code", "image"])]
    qr: bool,
    /// Seconds to wait for the other device
    #[arg(long, default_value_t = 300)]
    wait: u64,
}

/// Comes back with the 24 words.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  velo recover\n  velo recover --address /ip4/192.168.1.7/tcp/4001\n\n\
    For a new device, after the others were lost. It asks for the 24 words, or reads them from standard \
    input, and for any device of your team, which tells it where you belong. Afterwards take the lost \
    ones away: `velo device list`, `velo device unlink DEVICE --words`.")]
pub(super) struct Recover {
    /// Where a device of the team can be reached; on one LAN it is found without. May be repeated
    #[arg(long, value_name = "MULTIADDRESS")]
    address: Vec<String>,
    /// Seconds to wait for it
    #[arg(long, default_value_t = 60)]
    wait: u64,
}

impl Link {
    pub(super) fn run(self, settings: &Settings) -> Result<ExitCode, ApiError> {
        let code = match &self.image {
            Some(path) => Some(qr::find_in_file::<LinkCode>(path)?.to_string()),
            None => self.code,
        };
        let client = Client::open_for_anybody(settings)?;
        let done = match code {
            Some(code) => call(&client, link::Request::Link(link::Link { code })),
            None => show(&client, self.qr, settings.json)
                .and_then(|()| call(&client, link::Request::Wait(link::Wait { wait: self.wait }))),
        };
        client.close()?;
        tell(&done?, "linked", settings.json)
    }
}

impl Recover {
    pub(super) fn run(self, settings: &Settings) -> Result<ExitCode, ApiError> {
        let root = typed_root()?;
        let client = Client::open_for_anybody(settings)?;
        let recover = link::Recover { root, addresses: self.address, wait: self.wait };
        let done = call(&client, link::Request::Recover(recover));
        client.close()?;
        tell(&done?, "back", settings.json)
    }
}

fn call(client: &Client, request: link::Request) -> Result<Json, ApiError> {
    client.call(Request { workspace: None, action: Action::Link(request) })
}

/// Shows the code before the other device can be waited for.
fn show(client: &Client, as_qr: bool, json: bool) -> Result<(), ApiError> {
    let answer = call(client, link::Request::Code)?;
    if json {
        say_json(&answer);
        return Ok(());
    }
    let CodeAnswer { code } = understood(&answer)?;
    if as_qr {
        let drawn = qr::matrix(&code).map_err(|error| ApiError::Failed(error.to_string()))?;
        qr::half_blocks(&drawn).into_iter().for_each(say);
    }
    say(&code);
    complain("On a device that you use already, run: velo link CODE. Waiting for it …");
    Ok(())
}

fn tell(answer: &Json, word: &str, json: bool) -> Result<ExitCode, ApiError> {
    let LinkedAnswer { linked, name, workspaces, .. } = understood(answer)?;
    if json {
        say_json(answer);
    } else if linked {
        let who = name.map_or_else(String::new, |name| format!("{name}: "));
        let here = count(workspaces, "workspace");
        say(styled(GOOD, &format!("{who}{word}, {here} here.")));
    } else {
        let told =
            "No device that could help was reached in time. Both must be on one network, or name an address.";
        say(styled(NOTICE, told));
    }
    let not_yet = ApiError::NotYet(String::new()).exit_code();
    Ok(if linked { ExitCode::SUCCESS } else { ExitCode::from(not_yet) })
}

fn understood<T: serde::de::DeserializeOwned>(answer: &Json) -> Result<T, ApiError> {
    read(&plain_answer(answer))
        .map_err(|error| ApiError::Failed(format!("an answer of another version: {error}")))
}
