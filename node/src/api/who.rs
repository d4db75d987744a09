//! Who is here, and what they look at.

use super::{ApiError, Json, answer, scope::Scope};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    id::{DeviceId, EntityId, PersonId},
    presence::Doing,
    replica::Present,
};

/// Somebody who is here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WhoRow {
    /// Who.
    pub person: PersonId,
    /// Their name.
    pub name: String,
    /// On which device.
    pub device: DeviceId,
    /// What they do.
    pub doing: What,
    /// The task that they look at.
    pub task: Option<EntityId>,
    /// By which people know it.
    pub short: Option<String>,
    /// Its title.
    pub title: Option<String>,
}

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The device is on, and nobody sits at it as far as is known.
    Running,
    /// They have Velo open.
    Here,
    /// They look at a task.
    Looking,
}

impl WhoRow {
    fn of(scope: &Scope<'_>, present: Present) -> Option<Self> {
        let (doing, task) = match present.doing {
            Doing::Gone => return None,
            Doing::Running => (What::Running, None),
            Doing::Here => (What::Here, None),
            // One that is not shown here, such as one that was deleted, says nothing to anybody.
            Doing::At(task) => (What::Looking, Some(task)),
        };
        let shown = task.filter(|task| scope.workspace.task(*task).is_some());
        let title = shown.and_then(|task| Some(scope.workspace.task(task)?.title.to_owned()));
        Some(Self {
            person: present.person,
            name: scope.workspace.person_name(present.person),
            device: present.device,
            doing: if task.is_some() && shown.is_none() { What::Here } else { doing },
            task: shown,
            short: shown.map(|task| scope.workspace.short_id(task)),
            title,
        })
    }
}

/// Everybody else who is here, by name.
pub(super) fn answer_who(scope: &Scope<'_>) -> Result<Json, ApiError> {
    let present = scope.node.present(scope.id).into_iter();
    let mut rows: Vec<_> = present.filter_map(|present| WhoRow::of(scope, present)).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.device.cmp(&b.device)));
    answer(&rows)
}
