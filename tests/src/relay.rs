//! What tests do with a relay.

use crate::device::{Device, text_at};
use anyhow::Context;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Nothing here takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where a running node is reached.
///
/// # Errors
/// If it does not run, or listens nowhere.
pub fn address(device: &Device) -> anyhow::Result<String> {
    let status = device.velo(&["status"])?;
    let address = status.pointer("/addresses/0").and_then(Value::as_str);
    address.map(str::to_owned).with_context(|| format!("no address in {status}"))
}

/// A ticket to the workspace of a device.
///
/// # Errors
/// If it may invite nobody.
pub fn ticket(device: &Device, role: &str) -> anyhow::Result<String> {
    Ok(text_at(&device.velo(&["invite", "--role", role])?, "/ticket")?.to_owned())
}

/// Has a relay carry the workspace of a device, with a token of this name that its operator makes.
///
/// # Errors
/// If it does not.
pub fn carry(relay: &Device, device: &Device, name: &str) -> anyhow::Result<()> {
    let made = relay.velo(&["token", "add", name])?;
    let (token, at) = (text_at(&made, "/token")?, text_at(&made, "/address")?);
    device.velo(&["relay", "add", at, "--token", token])?;
    Ok(())
}

/// Waits until a device knows that its relays have everything, the attachments too.
///
/// # Errors
/// If they have not after a minute.
pub fn wait_kept(device: &Device) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let relays = device.velo(&["relay", "list"])?;
        let all = relays.as_array().is_some_and(|rows| {
            !rows.is_empty()
                && rows.iter().all(|row| row["has_everything"] == true && row["connected"] == true)
        });
        if all {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < until, "the relay has not got everything: {relays}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
