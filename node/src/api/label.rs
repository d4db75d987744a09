//! Labels: add, list, delete.

use super::{
    ApiError, Json, answer,
    reference::{self, Precision},
    scope::Scope,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, label},
    value::Value,
};

/// Actions on labels.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Add a label
    Add(Add),
    /// List labels
    #[command(after_help = "Example:\n  velo label list")]
    List,
    /// Delete a label; it comes off every task
    #[command(after_help = "Example:\n  velo label delete urgent")]
    Delete(Which),
}

/// Adds a label.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo label add urgent\n  velo task edit HOUS-1 --label urgent")]
pub struct Add {
    /// Its name
    pub name: String,
    /// Its colour, as a place in the app's palette
    #[arg(long, default_value_t = 0)]
    #[serde(default)]
    pub color: u8,
}

/// Names a label.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Which {
    /// The label, by its name or the start of its id
    pub label: String,
}

/// A label in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LabelRow {
    /// Which.
    pub id: EntityId,
    /// Its name.
    pub name: String,
    /// Its colour, as a place in the app's palette.
    pub color: i64,
}

impl LabelRow {
    fn of(scope: &Scope<'_>, id: EntityId) -> Self {
        let key = EntityKey::new(Kind::Label, id);
        Self {
            id,
            name: scope.workspace.text(key, label::NAME).to_owned(),
            color: scope.workspace.value(key, &label::COLOR.into()).and_then(Value::as_int).unwrap_or(0),
        }
    }
}

/// Carries out a request on labels.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::Add(request) => add(&request, scope).await,
        Request::List => {
            let mut rows: Vec<_> =
                scope.workspace.shown(Kind::Label).map(|id| LabelRow::of(&scope, id)).collect();
            rows.sort_by(|one, other| one.name.cmp(&other.name));
            answer(&rows)
        }
        Request::Delete(which) => delete(&which, scope).await,
    }
}

async fn add(request: &Add, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let name = request.name.trim();
    let wanted = name.to_lowercase();
    let same = |id: &EntityId| {
        scope.workspace.text(EntityKey::new(Kind::Label, *id), label::NAME).to_lowercase() == wanted
    };
    if scope.workspace.shown(Kind::Label).any(|id| same(&id)) {
        return Err(ApiError::Refused(format!(
            "there is a label \"{name}\" already: use it, or choose another name"
        )));
    }
    let key = EntityKey::new(Kind::Label, scope.node.new_entity_id());
    let color = Value::Int(i64::from(request.color));
    let fields = vec![(label::NAME.into(), Value::text(name)), (label::COLOR.into(), color)];
    scope.edit(vec![Change::Create { key, fields }]).await?;
    answer(&LabelRow::of(&scope, key.id))
}

async fn delete(which: &Which, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let id = reference::label(&scope.workspace, &which.label, Precision::Whole)?;
    let row = LabelRow::of(&scope, id);
    scope.edit(vec![Change::Delete { key: EntityKey::new(Kind::Label, id) }]).await?;
    answer(&row)
}
