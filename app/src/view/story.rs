//! What happened to a task and what was said about it, as one stream.
//!
//! Telling it reads the log from the disk: [`tell`] is for the bridge, on a thread of its own. The
//! [`Story`] asks for one telling at a time, and shows the last one until the next has come.

use velo_protocol::{
    history::{self, Happened, HistoryItem, ReadEntry},
    id::{EntityId, WorkspaceId},
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

/// Of what a story is told: a task at a revision of its workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Of {
    /// Where.
    pub workspace: WorkspaceId,
    /// Which task.
    pub task: EntityId,
    /// When.
    pub revision: u64,
}

impl Of {
    fn is_same_task(self, other: Self) -> bool {
        (self.workspace, self.task) == (other.workspace, other.task)
    }
}

/// The stream of the open task.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// Oldest first.
    pub told: Vec<Told>,
    wanted: Option<Of>,
    have: Option<Of>,
    asked: Option<Of>,
}

impl Story {
    /// Most changes that are told: the latest ones.
    const MOST: usize = 60;

    /// What to ask for, when the open task or its workspace has changed.
    pub fn ask(&mut self, workspace: &Workspace, open: Option<EntityId>) -> Option<Of> {
        let of = |task| Of { workspace: workspace.id(), task, revision: workspace.revision() };
        self.wanted = open.map(of);
        if !matches!((self.have, self.wanted), (Some(have), Some(wanted)) if have.is_same_task(wanted)) {
            self.told.clear();
            self.have = None;
        }
        if self.asked.is_some() || self.have == self.wanted {
            return None;
        }
        self.asked = self.wanted;
        self.asked
    }

    /// Takes what was asked for, unless another task has been opened since.
    pub fn take(&mut self, of: Of, told: Vec<Told>) {
        self.asked = None;
        if self.wanted.is_some_and(|wanted| wanted.is_same_task(of)) {
            self.told = told;
            self.have = Some(of);
        }
    }

    /// It could not be told. It is asked for again when something changes.
    pub fn failed(&mut self, of: Of) {
        self.asked = None;
        self.have = Some(of);
    }
}

/// Reads the stream of a task. Takes its time.
pub fn tell(workspace: &Workspace, id: EntityId, read: &ReadEntry<'_>) -> Vec<Told> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(task: u8) -> Of {
        Of { workspace: WorkspaceId([1; 32]), task: EntityId([task; 16]), revision: 1 }
    }

    #[test]
    fn a_story_of_a_task_left_meanwhile_is_not_shown() {
        let told = vec![Told { at_ms: 1, what: What::Happened("Anna made it".into()) }];
        let mut story = Story { wanted: Some(at(1)), asked: Some(at(1)), ..Story::default() };
        story.take(at(1), told.clone());
        assert_eq!((story.told.len(), story.asked), (1, None));
        let mut story = Story { wanted: Some(at(2)), asked: Some(at(1)), ..Story::default() };
        story.take(at(1), told);
        assert_eq!((story.told.len(), story.asked), (0, None), "and the other one can be asked for");
    }
}
