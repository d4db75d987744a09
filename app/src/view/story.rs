//! What happened to a task and what was said about it, as one stream.

use velo_protocol::{
    history::{self, Happened, HistoryItem, ReadEntry},
    id::EntityId,
    model::{EntityKey, Kind, comment, task},
    value::{Date, Value},
    workspace::Workspace,
};

/// One thing in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A change, as a sentence.
    Happened(String),
    /// A comment.
    Said(EntityId),
}

/// The stream of one task at one revision.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// Oldest first.
    pub told: Vec<Told>,
    of: Option<(EntityId, u64)>,
}

impl Story {
    /// Most changes that are told: the latest ones.
    const MOST: usize = 60;

    /// Reads the stream of the open task, when it or the workspace has changed.
    pub fn renew(&mut self, workspace: &Workspace, open: Option<EntityId>, read: &ReadEntry<'_>) {
        let of = open.map(|id| (id, workspace.revision()));
        if self.of == of {
            return;
        }
        self.of = of;
        self.told = open.map(|id| tell(workspace, id, read)).unwrap_or_default();
    }
}

fn tell(workspace: &Workspace, id: EntityId, read: &ReadEntry<'_>) -> Vec<Told> {
    let key = EntityKey::new(Kind::Task, id);
    let items = history::history(workspace, key, read);
    let told = items.iter().filter(|item| is_told(item)).map(|item| Told {
        at_ms: item.hlc.ms(),
        what: What::Happened(history::describe(workspace, key, item)),
    });
    let mut all: Vec<Told> = told.collect();
    all.drain(..all.len().saturating_sub(Story::MOST));
    let said = workspace.comments(id).into_iter();
    all.extend(said.map(|id| Told { at_ms: written_ms(workspace, id), what: What::Said(id) }));
    all.sort_by_key(|told| told.at_ms);
    all
}

/// A place among siblings says nothing to people.
fn is_told(item: &HistoryItem) -> bool {
    !matches!(&item.happened, Happened::Set { slot, .. } if slot.field == task::ORDER)
}

fn written_ms(workspace: &Workspace, id: EntityId) -> u64 {
    let key = EntityKey::new(Kind::Comment, id);
    let written = workspace.value(key, &comment::WRITTEN_AT.into()).and_then(Value::as_date);
    match written {
        Some(Date::At { ms, .. }) => (*ms).max(0) as u64,
        Some(Date::Day(day)) => u64::try_from(*day).unwrap_or(0) * 86_400_000,
        None => workspace.created(key).map_or(0, |(when, _)| when.ms()),
    }
}
