//! Undo and redo of one's own transactions.
//!
//! The [`Journal`] says which transaction comes next. It is fed the entries of the own log in
//! order, so after a restart it is rebuilt, or read back and continued. [`revert`](Journal::revert)
//! makes the operations.
//!
//! An undo acts only where the operation to undo is still live: it names only that one, and writes
//! one `Set` for each value which that one had replaced. What somebody else changed since stays,
//! and a sentence says who changed it. A redo is the revert of the undo.
//!
//! **Stand-ins.** After undoing "b to c", the live operation is that of the undo; it says `b`, but
//! is not the one that first said so. To undo "a to b" next, it must be recognised as standing for
//! that one. [`versions`](mod@versions) works this out by going back over own undos and redos.

mod revert;
mod versions;

pub use revert::{Lookup, Reverted};

use crate::{
    limits,
    op::{DataBody, Reverts},
    store::{ChainNo, EntryAt},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Consecutive entries of one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The chain.
    pub chain: ChainNo,
    /// Position of the first entry.
    pub first: u64,
    /// Position of the last entry.
    pub last: u64,
}

/// One action of the person: the entries it was written in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Transaction {
    /// The first entry, as [`crate::id::EntryId::prefix`].
    id: u64,
    spans: Vec<Span>,
}

impl Transaction {
    fn new(id: u64, at: EntryAt) -> Self {
        let span = Span { chain: at.chain, first: at.position, last: at.position };
        Self { id, spans: vec![span] }
    }

    fn add(&mut self, at: EntryAt) {
        match self.spans.last_mut() {
            Some(span) if span.chain == at.chain && span.last + 1 == at.position => span.last = at.position,
            _ => self.spans.push(Span { chain: at.chain, first: at.position, last: at.position }),
        }
    }
}

/// A transaction that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Undone {
    transaction: Transaction,
    /// By which entries.
    by: Transaction,
}

/// What to revert next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// To be written into every entry of the undo or redo.
    pub reverts: Reverts,
    /// The entries whose operations are to be reverted: those of the transaction for an undo, those
    /// of the undo for a redo. Some may be control entries, to be skipped.
    pub spans: Vec<Span>,
}

/// The own transactions that can be taken back or made again, at most [`limits::UNDO_DEPTH`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The next one to take back is the last.
    done: VecDeque<Transaction>,
    /// The next one to make again is the last.
    undone: Vec<Undone>,
    /// Own entries that undo (`false`) or redo (`true`), by prefix.
    turns: BTreeMap<u64, bool>,
    /// The same, oldest first.
    turned: VecDeque<u64>,
    /// First entries of transactions that make others again which had no effect.
    again: BTreeSet<u64>,
}

impl Journal {
    /// Takes note of an own entry with a data body, in the order in which they were written.
    /// `prefix` is the entry's [`crate::id::EntryId::prefix`].
    pub fn note(&mut self, at: EntryAt, prefix: u64, body: &DataBody) {
        if let Some(Reverts { transaction, redo: true }) = body.reverts
            && self.note_again(at, prefix, transaction, body)
        {
            return;
        }
        if let Some(reverts) = body.reverts {
            self.note_turn(prefix, reverts.redo);
        }
        match (body.continues, body.reverts) {
            (Some(first), reverts) => self.note_more(at, first, reverts),
            (None, Some(Reverts { transaction, redo: false })) => self.note_undo(at, prefix, transaction),
            (None, Some(Reverts { transaction, redo: true })) => self.note_redo(transaction),
            (None, None) => self.note_new(at, prefix),
        }
    }

    /// The last own transaction that was not taken back.
    pub fn next_undo(&self) -> Option<Step> {
        let next = self.done.back()?;
        let reverts = Reverts { transaction: next.id, redo: false };
        Some(Step { reverts, spans: next.spans.clone() })
    }

    /// The last one that was taken back, if nothing new was written since.
    pub fn next_redo(&self) -> Option<Step> {
        let next = self.undone.last()?;
        let reverts = Reverts { transaction: next.transaction.id, redo: true };
        Some(Step { reverts, spans: next.by.spans.clone() })
    }

    /// An entry may also make a transaction again that was never taken back: one that had no effect,
    /// because its author was out. That is an action of its own, and takes the other one's place.
    fn note_again(&mut self, at: EntryAt, prefix: u64, id: u64, body: &DataBody) -> bool {
        let void = self.done.iter().rposition(|transaction| transaction.id == id);
        let is_again = match body.continues {
            Some(first) => self.again.contains(&first),
            None => void.is_some(),
        };
        if !is_again {
            return false;
        }
        if let Some(place) = void {
            self.done.remove(place);
        }
        if let Some(first) = body.continues {
            self.note_more(at, first, None);
        } else {
            self.again.insert(prefix);
            if !body.groups.is_empty() {
                self.note_new(at, prefix);
            }
        }
        true
    }

    fn note_turn(&mut self, prefix: u64, redo: bool) {
        if self.turns.insert(prefix, redo).is_none() {
            self.turned.push_back(prefix);
        }
        if self.turned.len() > limits::UNDO_ENTRIES
            && let Some(oldest) = self.turned.pop_front()
        {
            self.turns.remove(&oldest);
        }
    }

    fn note_more(&mut self, at: EntryAt, first: u64, reverts: Option<Reverts>) {
        let open = match reverts {
            None => self.done.back_mut(),
            Some(Reverts { redo: false, .. }) => self.undone.last_mut().map(|undone| &mut undone.by),
            Some(Reverts { redo: true, .. }) => None,
        };
        if let Some(transaction) = open.filter(|transaction| transaction.id == first) {
            transaction.add(at);
        }
    }

    fn note_undo(&mut self, at: EntryAt, prefix: u64, id: u64) {
        if let Some(place) = self.done.iter().rposition(|transaction| transaction.id == id)
            && let Some(transaction) = self.done.remove(place)
        {
            self.undone.push(Undone { transaction, by: Transaction::new(prefix, at) });
        }
    }

    fn note_redo(&mut self, id: u64) {
        if let Some(place) = self.undone.iter().rposition(|undone| undone.transaction.id == id) {
            self.done.push_back(self.undone.remove(place).transaction);
        }
    }

    fn note_new(&mut self, at: EntryAt, prefix: u64) {
        self.undone.clear();
        self.done.push_back(Transaction::new(prefix, at));
        if self.done.len() > limits::UNDO_DEPTH {
            self.done.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64) -> EntryAt {
        EntryAt { chain: ChainNo(0), position }
    }

    fn turn(transaction: u64, redo: bool) -> DataBody {
        DataBody { reverts: Some(Reverts { transaction, redo }), ..DataBody::new(Vec::new()) }
    }

    fn more(first: u64, body: DataBody) -> DataBody {
        DataBody { continues: Some(first), ..body }
    }

    fn ids(journal: &Journal) -> (Option<u64>, Option<u64>) {
        let id = |step: Step| step.reverts.transaction;
        (journal.next_undo().map(id), journal.next_redo().map(id))
    }

    #[test]
    fn undo_goes_back_redo_forward_and_new_work_ends_redo() {
        let mut journal = Journal::default();
        let new = DataBody::new(Vec::new());
        for id in 1..=3 {
            journal.note(at(id), id, &new);
        }
        assert_eq!(ids(&journal), (Some(3), None));
        journal.note(at(4), 4, &turn(3, false));
        journal.note(at(5), 5, &turn(2, false));
        assert_eq!(ids(&journal), (Some(1), Some(2)));
        journal.note(at(6), 6, &turn(2, true));
        assert_eq!(ids(&journal), (Some(2), Some(3)));
        journal.note(at(7), 7, &new);
        assert_eq!(ids(&journal), (Some(7), None));
    }

    #[test]
    fn a_transaction_of_several_entries_is_one_step() {
        let mut journal = Journal::default();
        let new = DataBody::new(Vec::new());
        journal.note(at(1), 10, &new);
        journal.note(at(2), 11, &more(10, new.clone()));
        // A control entry stands in between.
        journal.note(at(4), 12, &more(10, new));
        let spans = journal.next_undo().unwrap().spans;
        let positions: Vec<_> = spans.iter().map(|span| (span.first, span.last)).collect();
        assert_eq!(positions, [(1, 2), (4, 4)]);
        journal.note(at(5), 20, &turn(10, false));
        journal.note(at(6), 21, &more(20, turn(10, false)));
        assert_eq!(ids(&journal), (None, Some(10)));
        assert_eq!(journal.next_redo().unwrap().spans, [Span { chain: ChainNo(0), first: 5, last: 6 }]);
    }

    #[test]
    fn old_transactions_are_forgotten() {
        let mut journal = Journal::default();
        for id in 0..=limits::UNDO_DEPTH as u64 {
            journal.note(at(id + 1), id, &DataBody::new(Vec::new()));
        }
        assert_eq!(journal.done.len(), limits::UNDO_DEPTH);
        assert_eq!(journal.done.front().unwrap().id, 1);
    }
}
