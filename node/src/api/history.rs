//! Who changed what, when; and undo and redo of one's own actions.
//!
//! History is not kept apart: it is the log itself, read through the index from an entity to its
//! entries and told in sentences.

mod control;

use super::{
    ApiError, Json, answer,
    reference::{self, Precision},
    scope::Scope,
    show,
};
use crate::{handle::StoredEntry, limits};
use clap::Args;
use serde::{Deserialize, Serialize};
use velo_protocol::{
    describe,
    history::{self, HistoryItem, LoggedEntry},
    id::EntityId,
    keys::ciphers::Contents,
    model::{ALIVE, EntityKey, Kind, Slot},
    op::{self, DataBody, Group, Op, Reverts},
    replica::{Command, Reply},
    store::{ChainNo, EntryAt},
    time::Hlc,
    value::Value,
    workspace::Workspace,
};

/// Shows who changed what.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo history\n  velo history HOUS-1\n  velo history --limit 200 --json")]
pub struct Show {
    /// Only what happened to this task, its checklist and its comments
    #[serde(default)]
    pub task: Option<String>,
    /// At most so many, the latest
    #[arg(long, default_value_t = 30)]
    pub limit: usize,
}

/// One entry of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HistoryRow {
    /// When and who.
    #[serde(flatten)]
    pub stamp: show::Stamp,
    /// The device it was done on: the start of its id.
    pub device: String,
    /// What was done, a sentence for each entity.
    pub what: Vec<String>,
}

/// What became of an undo or redo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Undone {
    /// How many operations were written.
    pub operations: usize,
    /// What the action had done to what changed now, in the words of history, a sentence for each
    /// entity; of a long one the beginning.
    #[serde(default)]
    pub what: Vec<String>,
    /// What changed.
    pub changed: Vec<String>,
    /// Changes left alone because somebody changed them since.
    pub kept: Vec<String>,
}

type Dated = (Hlc, HistoryRow);

/// Reads the log.
pub(super) fn execute(request: &Show, scope: &Scope<'_>) -> Result<Json, ApiError> {
    let mut rows = match request.task.as_deref() {
        Some(text) => story(scope, reference::task(scope, text, Precision::Part)?),
        None => latest(scope, request.limit)?,
    };
    rows.sort_by_key(|(hlc, _)| *hlc);
    let skipped = rows.len().saturating_sub(request.limit);
    answer(&rows.into_iter().skip(skipped).map(|(_, row)| row).collect::<Vec<_>>())
}

/// What happened to a task and to what it contains.
fn story(scope: &Scope<'_>, task: EntityId) -> Vec<Dated> {
    let workspace = &scope.workspace;
    let key = EntityKey::new(Kind::Task, task);
    let parts = workspace.children(key).into_iter().filter(|part| part.kind != Kind::Task);
    let read = |at| scope.logged(at);
    let of_entity = |key| {
        let items = history::history(workspace, key, &read).into_iter();
        items.map(move |item| (item.hlc, HistoryRow::of(workspace, key, &item)))
    };
    std::iter::once(key).chain(parts).flat_map(of_entity).collect()
}

/// The last entries of every log: among them are the `limit` latest of all.
fn latest(scope: &Scope<'_>, limit: usize) -> Result<Vec<Dated>, ApiError> {
    let workspace = &scope.workspace;
    let mut rows = Vec::new();
    for chain in (0..).map(ChainNo).take_while(|chain| workspace.author(*chain).is_some()) {
        let end = workspace.applied(chain);
        for position in end.saturating_sub(limit as u64) + 1..=end {
            let at = EntryAt { chain, position };
            let Some(stored) = scope.node.read_entry(scope.id, at)? else {
                continue;
            };
            rows.push((stored.entry.header.hlc, HistoryRow::of_entry(scope, at, &stored)));
        }
    }
    Ok(rows)
}

impl HistoryRow {
    fn of(workspace: &Workspace, key: EntityKey, item: &HistoryItem) -> Self {
        Self {
            stamp: show::Stamp::of(workspace, item.hlc, item.person),
            device: item.device.short(),
            what: vec![history::describe(workspace, key, item)],
        }
    }

    fn of_entry(scope: &Scope<'_>, at: EntryAt, stored: &StoredEntry) -> Self {
        let (workspace, header) = (&scope.workspace, &stored.entry.header);
        let who = workspace.person_name(stored.origin.person);
        let what = if op::has_data_body(header.kind) {
            match &stored.contents {
                Contents::Plain(body) => sentences(scope, at, &who, body),
                Contents::Locked(_) => {
                    vec![format!("{who} wrote something that this device has no key for yet")]
                }
                Contents::Refused => vec![format!("a change by {who} has no effect: it cannot be decrypted")],
            }
        } else {
            vec![format!("{who} {}", control::words(workspace, stored))]
        };
        let stamp = show::Stamp::of(workspace, header.hlc, stored.origin.person);
        Self { stamp, device: stored.origin.device.short(), what }
    }
}

/// One sentence for each entity that an entry changed; one for an entry that changed nothing.
fn sentences(scope: &Scope<'_>, at: EntryAt, who: &str, body: &[u8]) -> Vec<String> {
    let body = match DataBody::read(body) {
        Ok(body) => body,
        Err(reason) => return vec![format!("a change by {who} has no effect: {reason}")],
    };
    let ending = match body.reverts {
        None => "",
        Some(reverts) if reverts.redo => " (redo)",
        Some(_) => " (undo)",
    };
    if body.groups.is_empty() {
        return vec![without_effect(scope, at, who, body.reverts)];
    }
    let groups = body.groups.iter();
    groups.map(|group| format!("{who} {}{ending}", words(&scope.workspace, group))).collect()
}

/// An entry without operations: an undo or redo of what others had changed since. It is written all
/// the same, so that the next one goes a step further.
fn without_effect(scope: &Scope<'_>, at: EntryAt, who: &str, reverts: Option<Reverts>) -> String {
    let Some(Reverts { transaction, redo }) = reverts else {
        return format!("{who} changed nothing");
    };
    let nothing = format!("{who} found nothing left to {}", if redo { "redo" } else { "undo" });
    match action(scope, at, transaction) {
        Some(words) => format!("{nothing} of: {words}"),
        None => nothing,
    }
}

/// What the first entry of an action did, in one sentence.
fn action(scope: &Scope<'_>, at: EntryAt, first: u64) -> Option<String> {
    let said = action_words(scope, at, first)?;
    let more = said.len().checked_sub(1)?;
    let (_, said) = said.into_iter().next()?;
    Some(if more == 0 { said } else { format!("{said} (and {more} more)") })
}

/// What the first entry of an action did, a sentence for each entity. It is looked for in the same log,
/// not far before `at`.
fn action_words(scope: &Scope<'_>, at: EntryAt, first: u64) -> Option<Vec<(EntityKey, String)>> {
    let mut entries = before(scope, at);
    let body = DataBody::read(&entries.find(|(_, entry)| entry.prefix == first)?.1.body).ok()?;
    Some(body.groups.iter().map(|group| (group.key, words(&scope.workspace, group))).collect())
}

/// The entries of a log that come not far before `at`, the latest first.
fn before(scope: &Scope<'_>, at: EntryAt) -> impl Iterator<Item = (EntryAt, LoggedEntry)> {
    let near = at.position.saturating_sub(limits::UNDO_LOOK_BACK).max(1)..at.position;
    let places = near.rev().map(move |position| EntryAt { position, ..at });
    places.filter_map(|at| Some((at, scope.logged(at)?)))
}

/// What the action had done that this device took back last, or with `redo` made again.
fn last_turned(scope: &Scope<'_>, redo: bool) -> Option<Vec<(EntityKey, String)>> {
    let workspace = &scope.workspace;
    let chains = (0..).map(ChainNo).map_while(|chain| Some((chain, workspace.author(chain)?)));
    let own = chains.filter(|(_, origin)| origin.device == scope.node.device());
    let turns = own.filter_map(|(chain, _)| {
        let behind = EntryAt { chain, position: workspace.applied(chain) + 1 };
        before(scope, behind).find_map(|(at, entry)| {
            let reverts = DataBody::read(&entry.body).ok()?.reverts.filter(|reverts| reverts.redo == redo)?;
            Some((entry.header.hlc, at, reverts.transaction))
        })
    });
    let (_, at, transaction) = turns.max_by_key(|(hlc, ..)| *hlc)?;
    action_words(scope, at, transaction)
}

/// What an author did to one entity.
fn words(workspace: &Workspace, group: &Group) -> String {
    let what = describe::entity(workspace, group.key);
    let alive = |op: &Op| match op {
        Op::Set { slot, value, replaces } if slot.field == ALIVE.field && value.is_true() => {
            Some(replaces.is_empty())
        }
        _ => None,
    };
    if group.ops.iter().any(|op| matches!(op, Op::Delete { .. })) {
        return format!("deleted {what}");
    }
    match group.ops.iter().find_map(alive) {
        Some(true) => {
            let first: Vec<(Slot, Value)> = group.ops.iter().filter_map(Op::first_value).collect();
            let first = first.iter().map(|(slot, value)| (slot, value));
            return format!("created {}", history::created(workspace, group.key, first));
        }
        Some(false) => return format!("restored {what}"),
        None => {}
    }
    let field = |op: &Op| match op {
        Op::Set { slot, value, .. } => set_words(workspace, group.key.kind, slot, value),
        Op::Edit { field, splices, .. } => {
            let words = history::Edit::alone(splices).words();
            let space = if words.is_empty() { "" } else { " " };
            format!("{}{space}{words}", describe::field(group.key.kind, *field))
        }
        Op::Delete { .. } => String::new(),
    };
    format!("changed {what}: {}", group.ops.iter().map(field).collect::<Vec<_>>().join(", "))
}

fn set_words(workspace: &Workspace, kind: Kind, slot: &Slot, value: &Value) -> String {
    let name = describe::field(kind, slot.field);
    match (&slot.element, value) {
        (Some(_), Value::Bool(on)) => {
            let sign = if *on { '+' } else { '-' };
            format!("{name} {sign}{}", describe::element(workspace, kind, slot))
        }
        (Some(_), value) => {
            format!(
                "{} → {}",
                describe::element(workspace, kind, slot),
                describe::value(workspace, kind, slot, value)
            )
        }
        (None, value) => format!("{name} → {}", describe::value(workspace, kind, slot, value)),
    }
}

/// Takes back the last own action.
pub(super) async fn undo(scope: Scope<'_>) -> Result<Json, ApiError> {
    let workspace = scope.id;
    revert(scope, Command::Undo { workspace }, false).await
}

/// Makes it again.
pub(super) async fn redo(scope: Scope<'_>) -> Result<Json, ApiError> {
    let workspace = scope.id;
    revert(scope, Command::Redo { workspace }, true).await
}

async fn revert(mut scope: Scope<'_>, command: Command, redo: bool) -> Result<Json, ApiError> {
    match scope.submit(command).await? {
        Reply::Edited { operations, changed, kept } => {
            let what = if operations == 0 { Vec::new() } else { turned(&scope, redo, &changed).await? };
            let changed = changed.into_iter().map(|key| describe::entity(&scope.workspace, key)).collect();
            answer(&Undone { operations, what, changed, kept })
        }
        _ => Err(ApiError::Failed("the node answered something else".into())),
    }
}

/// What the action had done to those entities that `changed` now: of the others somebody had changed
/// the values since.
async fn turned(scope: &Scope<'_>, redo: bool, changed: &[EntityKey]) -> Result<Vec<String>, ApiError> {
    // Without the words, such as after damage, what was done holds all the same.
    let said = scope.apart(move |scope| last_turned(scope, redo)).await?.unwrap_or_default();
    Ok(said.into_iter().filter(|(key, _)| changed.contains(key)).map(|(_, said)| said).collect())
}
