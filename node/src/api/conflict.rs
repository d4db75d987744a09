//! Conflicts: list, resolve.
//!
//! A conflict is a field to which two people gave different values without having seen each
//! other's. All values are kept, one is shown, and anybody may settle it: by taking one of the
//! values, or by giving a new one.
//!
//! A conflict has no place of its own in the log, and its number in a list changes with every sync.
//! It is named by a hash over its field and its values ([`id`]): what somebody decided while reading
//! one list can only ever be applied to the same choice.

use super::{
    ApiError, Json, answer,
    reference::{self, Precision},
    scope::Scope,
    show::{self, Stamp},
    written,
};
use clap::{ArgGroup, Args, Subcommand};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    change::Change,
    codec, describe,
    model::{self, ALIVE, EntityKey, Kind},
    value::Value,
    workspace::{Conflict, ConflictValue},
};

/// Actions on conflicts.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// List every conflict with its values
    #[command(after_help = "Examples:\n  velo conflicts list\n  velo conflicts list --json")]
    List,
    /// Settle a conflict
    Resolve(Resolve),
}

/// Settles a conflict.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  \
    velo conflicts list\n  \
    velo conflicts resolve c4f7qa2 --pick 2\n  \
    velo conflicts resolve HOUS-3 --field title --value \"Paint the wall green\"\n  \
    velo conflicts resolve HOUS-3 --field due --value friday")]
#[command(group = ArgGroup::new("choice").required(true).args(["pick", "value"]))]
pub struct Resolve {
    /// The conflict's id in `velo conflicts list`; with --value also the task it is about
    pub conflict: String,
    /// Which field, if the task has several conflicts
    #[arg(long, short)]
    #[serde(default)]
    pub field: Option<String>,
    /// Take the value with this number in the list; needs the conflict's id
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub pick: Option<usize>,
    /// Take this instead, written as for `velo task edit`: a text, friday, high, 90, none
    #[arg(long, value_name = "VALUE")]
    #[serde(default)]
    pub value: Option<String>,
}

/// A conflict in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConflictRow {
    /// Stands for this field with these values, such as `c4f7qa2`.
    pub id: String,
    /// What it is about.
    pub entity: EntityKey,
    /// The task's short id, if it is about one.
    pub short: Option<String>,
    /// What the entity is called.
    pub name: String,
    /// The field's name; "alive" for a deletion beside an edit.
    pub field: String,
    /// What happened, in a plain sentence.
    pub sentence: String,
    /// What can be picked, from 1.
    pub options: Vec<OptionRow>,
}

/// One value that can be picked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OptionRow {
    /// The value, in words.
    pub value: String,
    /// Who set it, and when.
    pub set: Stamp,
    /// Whether this is what one sees until somebody decides.
    #[serde(default)]
    pub shown: bool,
}

/// A conflict that was settled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settled {
    /// The id it had.
    pub id: String,
    /// What it was about.
    pub entity: EntityKey,
    /// The task's short id, if it was about one.
    pub short: Option<String>,
    /// What the entity is called now.
    pub name: String,
    /// The field's name; "alive" for a deletion beside an edit.
    pub field: String,
    /// The value that remains, in words.
    pub value: String,
    /// How it stands now, in a plain sentence.
    pub sentence: String,
}

impl Settled {
    /// A conflict that ended with this value.
    fn of(scope: &Scope<'_>, conflict: &Conflict, value: &Value) -> Self {
        Self {
            id: id(conflict),
            entity: conflict.key,
            short: short(scope, conflict),
            name: show::name(&scope.workspace, conflict.key),
            field: field_name(conflict).to_owned(),
            value: value_words(scope, conflict, value),
            sentence: outcome(scope, conflict, value),
        }
    }
}

impl ConflictRow {
    /// The conflict as it is now.
    pub fn of(scope: &Scope<'_>, conflict: &Conflict) -> Self {
        Self {
            id: id(conflict),
            entity: conflict.key,
            short: short(scope, conflict),
            name: show::name(&scope.workspace, conflict.key),
            field: field_name(conflict).to_owned(),
            sentence: sentence(scope, conflict),
            options: (0..).zip(&conflict.values).map(|(at, one)| option(scope, conflict, at, one)).collect(),
        }
    }
}

/// Another one as soon as another value joins or one goes.
fn id(conflict: &Conflict) -> String {
    const LETTERS: usize = 6;
    let values: Vec<_> = conflict.values.iter().map(|one| one.op).collect();
    let hash = blake3::hash(&codec::encode(&(conflict.key, &conflict.slot, values)));
    let letters = data_encoding::BASE32_NOPAD.encode(hash.as_bytes()).to_lowercase();
    format!("c{}", &letters[..LETTERS])
}

fn short(scope: &Scope<'_>, conflict: &Conflict) -> Option<String> {
    (conflict.key.kind == Kind::Task).then(|| scope.workspace.short_id(conflict.key.id))
}

fn option(scope: &Scope<'_>, conflict: &Conflict, at: usize, one: &ConflictValue) -> OptionRow {
    let value = value_words(scope, conflict, &one.value);
    let gone = one.instead && conflict.values.len() > 1;
    let value = if gone { format!("{value}, since what was chosen is gone") } else { value };
    // Of what is hidden the deletion is what one sees.
    let shown = at == usize::from(conflict.hidden);
    OptionRow { value, set: Stamp::of(&scope.workspace, one.hlc, one.author), shown }
}

fn value_words(scope: &Scope<'_>, conflict: &Conflict, value: &Value) -> String {
    match value {
        Value::Bool(true) if conflict.hidden => "bring it back".to_owned(),
        Value::Bool(false) if conflict.hidden => "delete what is left in it".to_owned(),
        Value::Bool(true) if is_deletion(conflict) => "keep it".to_owned(),
        Value::Bool(false) if is_deletion(conflict) => "delete it".to_owned(),
        value => describe::value(&scope.workspace, conflict.key.kind, &conflict.slot, value),
    }
}

fn is_deletion(conflict: &Conflict) -> bool {
    conflict.slot.field == ALIVE.field
}

fn field_name(conflict: &Conflict) -> &'static str {
    conflict.key.kind.field(conflict.slot.field).unwrap_or(&ALIVE).name
}

fn sentence(scope: &Scope<'_>, conflict: &Conflict) -> String {
    let workspace = &scope.workspace;
    let what = describe::entity(workspace, conflict.key);
    let name = |one: &ConflictValue| workspace.person_name(one.author);
    match conflict.values.as_slice() {
        [edit, deletion] if is_deletion(conflict) => {
            let did = if conflict.hidden { "worked on something in it" } else { "edited it" };
            format!("{} deleted {what} while {} {did}", name(deletion), name(edit))
        }
        // A parent with a single value stands for a cycle.
        [one] => format!("{} put {what} inside one of its own parts: it is shown at top level", name(one)),
        values => {
            let said = |one: &ConflictValue| format!("{} chose {}", name(one), said(scope, conflict, one));
            let said: Vec<_> = values.iter().map(said).collect();
            format!("{} of {what}: {}", field_words(scope, conflict), said.join(", "))
        }
    }
}

/// What somebody chose, as far as it can still be said.
fn said(scope: &Scope<'_>, conflict: &Conflict, one: &ConflictValue) -> String {
    if one.instead { "what is gone".to_owned() } else { value_words(scope, conflict, &one.value) }
}

/// How things stand once a value remains.
fn outcome(scope: &Scope<'_>, conflict: &Conflict, value: &Value) -> String {
    let Conflict { key, slot, .. } = conflict;
    let what = describe::entity(&scope.workspace, *key);
    let field = field_words(scope, conflict);
    match (&slot.element, value) {
        (_, value) if is_deletion(conflict) => {
            let end = match (value.is_true(), conflict.hidden) {
                (true, false) => "stays",
                (true, true) => "is back",
                (false, false) => "is deleted",
                (false, true) => "is deleted, with what was left in it",
            };
            format!("{what} {end}")
        }
        (Some(_), Value::Bool(on)) => {
            let set = describe::field(key.kind, slot.field);
            format!("{field} is {}among the {set} of {what}", if *on { "" } else { "not " })
        }
        (_, Value::Unset) => format!("the {field} of {what} is empty"),
        // Its name says it already.
        _ if describe::title_field(key.kind) == Some(slot.field) => {
            format!("the {field} of the {} is {}", key.kind.name(), value_words(scope, conflict, value))
        }
        _ => format!("the {field} of {what} is {}", value_words(scope, conflict, value)),
    }
}

/// The field in words; of a custom field its own name.
fn field_words(scope: &Scope<'_>, conflict: &Conflict) -> String {
    let Conflict { key, slot, .. } = conflict;
    match &slot.element {
        Some(_) => describe::element(&scope.workspace, key.kind, slot),
        None => describe::field(key.kind, slot.field),
    }
}

/// Carries out a request on conflicts.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::List => answer(&rows(&scope)),
        Request::Resolve(request) => resolve(&request, scope).await,
    }
}

fn rows(scope: &Scope<'_>) -> Vec<ConflictRow> {
    scope.workspace.conflicts().iter().map(|one| ConflictRow::of(scope, one)).collect()
}

async fn resolve(request: &Resolve, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let conflict = find(request, &scope)?;
    let value = match (request.pick, &request.value) {
        (Some(place), _) => picked(&conflict, place)?,
        (None, Some(text)) => typed(&scope, &conflict, text)?,
        (None, None) => {
            return Err(ApiError::Invalid("say which value remains: --pick N or --value VALUE".into()));
        }
    };
    let (key, slot) = (conflict.key, conflict.slot.clone());
    scope.edit(vec![Change::Resolve { key, slot, value: value.clone() }]).await?;
    answer(&Settled::of(&scope, &conflict, &value))
}

fn picked(conflict: &Conflict, place: usize) -> Result<Value, ApiError> {
    let most = conflict.values.len();
    let chosen = place.checked_sub(1).and_then(|place| conflict.values.get(place));
    let wrong = || ApiError::Invalid(format!("there is no value {place}: pick one from 1 to {most}"));
    chosen.map(|one| one.value.clone()).ok_or_else(wrong)
}

/// A new value, as it is written for other commands.
fn typed(scope: &Scope<'_>, conflict: &Conflict, text: &str) -> Result<Value, ApiError> {
    let pick = "take one of the values with --pick";
    if is_deletion(conflict) {
        return Err(ApiError::Invalid(format!("whether it stays is not typed: {pick}")));
    }
    let like = conflict.values.iter().map(|one| &one.value).find(|value| **value != Value::Unset);
    let value = written::value(scope, conflict.key, &conflict.slot, text, like)?;
    model::check(conflict.key.kind, &conflict.slot, &value)
        .map_err(|error| ApiError::Invalid(format!("{error}, or {pick}")))?;
    Ok(value)
}

/// By id, or by task and field.
fn find(request: &Resolve, scope: &Scope<'_>) -> Result<Conflict, ApiError> {
    let wanted = request.conflict.to_lowercase();
    if let Some(conflict) = scope.workspace.conflicts().into_iter().find(|one| id(one) == wanted) {
        return Ok(conflict);
    }
    let hint = "it may have been settled, or another value has come. See `velo conflicts list`";
    let task = reference::task(scope, &request.conflict, Precision::Whole).map_err(|error| match error {
        ApiError::NotFound { .. } => ApiError::not_found("conflict", &request.conflict, hint),
        other => other,
    })?;
    let of_task = scope.workspace.conflicts_of(EntityKey::new(Kind::Task, task));
    let fits = |one: &&Conflict| request.field.as_deref().is_none_or(|field| field == field_name(one));
    let found: Vec<_> = of_task.iter().filter(fits).collect();
    match found.as_slice() {
        [] => Err(ApiError::not_found("conflict", &request.conflict, hint)),
        // Numbers count the values of one list. Only the id says that it is still that list.
        [only] if request.pick.is_some() => Err(ApiError::Invalid(format!(
            "--pick needs the conflict's id, since its values may have changed: see `velo conflicts list`, \
             then `velo conflicts resolve {} --pick N`",
            id(only)
        ))),
        [only] => Ok((*only).clone()),
        several => Err(ApiError::Ambiguous {
            kind: "conflict".into(),
            text: request.conflict.clone(),
            candidates: several.iter().map(|one| format!("--field {}", field_name(one))).collect(),
        }),
    }
}
