//! Whose device this is: introducing a person, and giving them another name.

use super::{ApiError, Json, answer, scope, workspace::Introduction};
use crate::handle::NodeHandle;
use serde::{Deserialize, Serialize};
use velo_protocol::{
    change::Change,
    id::{DeviceId, EntityId, PersonId, WorkspaceId},
    model::{EntityKey, Kind, profile},
    replica::Command,
    value::Value,
};

/// Introduces the person of this device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Introduce {
    /// The name, as others see it.
    pub name: String,
    /// Whether a person who has a name already gets this one, in every workspace.
    #[serde(default)]
    pub rename: bool,
}

/// Who was introduced.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Introduced {
    /// The name.
    pub name: String,
    /// The person.
    pub person: PersonId,
    /// The device.
    pub device: DeviceId,
    /// The name before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

impl Introduce {
    /// Refuses another name for somebody who has one, unless that is what was asked for: it may be
    /// another person who types it.
    pub fn check(&self, known: Option<&Introduction>) -> Result<(), ApiError> {
        match known {
            Some(known) if !self.rename && known.name != self.name.trim() => Err(ApiError::Refused(format!(
                "this device is already {}'s: nothing was changed. `velo init --rename --name \"{}\"` gives you that \
                 name; another person on this machine uses another --data-dir",
                known.name, self.name
            ))),
            _ => Ok(()),
        }
    }
}

/// Notes the name, and has every workspace show it.
pub(super) async fn execute(request: Introduce, node: &NodeHandle) -> Result<Json, ApiError> {
    let known = Introduction::read(node.data_dir())?;
    request.check(known.as_ref())?;
    let new = Introduction::new(&request.name)?;
    // First: workspaces made or joined from now on show it.
    new.write(node.data_dir())?;
    let mut failed = Vec::new();
    for workspace in node.workspaces() {
        if let Err(error) = show_name(node, workspace, &new.name).await {
            failed.push(without_name(node, workspace, &error));
        }
    }
    if !failed.is_empty() {
        return Err(half_done(&new.name, &failed));
    }
    let before = known.map(|known| known.name).filter(|before| *before != new.name);
    answer(&Introduced { name: new.name, person: node.person(), device: node.device(), before })
}

fn without_name(node: &NodeHandle, workspace: WorkspaceId, error: &ApiError) -> String {
    let name = scope::title(node, workspace);
    if name.is_empty() {
        format!("workspace {} ({error})", workspace.short())
    } else {
        format!("\"{name}\" ({error})")
    }
}

/// What is missing, and how to get it: the command changes only what does not show the name yet.
fn half_done(name: &str, failed: &[String]) -> ApiError {
    ApiError::Failed(format!(
        "this device knows you as {name} now, but not every workspace took the name: {}. \
         `velo init --rename --name \"{name}\"` again finishes it",
        failed.join("; ")
    ))
}

async fn show_name(node: &NodeHandle, workspace: WorkspaceId, name: &str) -> Result<(), ApiError> {
    let key = EntityKey::new(Kind::Profile, EntityId::from(node.person()));
    let shown = node.workspace(workspace);
    if shown.is_none_or(|shown| shown.text(key, profile::NAME) == name) {
        return Ok(());
    }
    let set = Change::Set { key, slot: profile::NAME.into(), value: Value::text(name) };
    node.submit(Command::Edit { workspace, changes: vec![set] }).await?;
    Ok(())
}
