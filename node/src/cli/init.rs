//! `velo init`: a person introduces themselves.

use super::{Settings, output::say};
use crate::{
    api::{ApiError, workspace::Introduction},
    data_dir::DataDir,
    handle::NodeError,
    keystore::Keys,
};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Introduces a person on this device and makes its keys.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  velo init --name Anna\n\n\
    Several devices on one machine: give each its own --data-dir.")]
pub(super) struct Init {
    /// Your name, as others see it
    #[arg(long)]
    name: String,
}

impl Init {
    pub(super) fn run(&self, settings: &Settings) -> Result<ExitCode, ApiError> {
        if let Some(known) = Introduction::read(&settings.data_dir)? {
            return Err(ApiError::Refused(format!(
                "this device is already {}'s: nothing was changed. Another person on this machine uses another --data-dir",
                known.name
            )));
        }
        let person = Introduction::new(&self.name)?;
        let dir = DataDir::open(&settings.data_dir).map_err(NodeError::from)?;
        let records = dir.records().map_err(NodeError::from)?;
        let keys = Keys::of_device(&dir, &records).map_err(NodeError::from)?;
        person.write(dir.path())?;
        let identity = keys.identity();
        if settings.json {
            let device = identity.device_id();
            say(json!({ "name": person.name, "person": identity.person, "device": device }));
        } else {
            let next = "Next: `velo workspace create NAME`, or `velo join TICKET`.";
            say(format!("Hello {}. {next}", person.name));
        }
        Ok(ExitCode::SUCCESS)
    }
}
