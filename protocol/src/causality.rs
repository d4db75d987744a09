//! Who had seen what: the causal order of entries.
//!
//! An entry's *past* is closed under predecessor (the entry before it in its log) and dependency
//! (the heads its header names). Most entries name nothing, so the order is kept as each chain's
//! *dependency steps*: the few positions at which its author learned something new.
//!
//! Positions on different branches of one log are never compared: a [`Frontier`] counts by chain,
//! and a branch's past begins with the part of the chain that it left.

use crate::store::{ChainNo, EntryAt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far each chain is known: a set of entries closed under predecessor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier(BTreeMap<ChainNo, u64>);

impl Frontier {
    /// The last known position of a chain, 0 if none.
    pub fn get(&self, chain: ChainNo) -> u64 {
        self.0.get(&chain).copied().unwrap_or(0)
    }

    /// Whether it holds this entry.
    pub fn contains(&self, at: EntryAt) -> bool {
        at.position <= self.get(at.chain)
    }

    /// Adds an entry and its predecessors. Returns whether that was news.
    pub fn raise(&mut self, at: EntryAt) -> bool {
        if self.contains(at) {
            return false;
        }
        self.0.insert(at.chain, at.position);
        true
    }

    /// About how many entries it holds: more than any frontier that it contains.
    pub fn size(&self) -> u64 {
        self.0.values().fold(0, |sum, position| sum.saturating_add(*position))
    }

    /// Every chain with its last known position.
    pub fn iter(&self) -> impl Iterator<Item = EntryAt> + '_ {
        self.0.iter().map(|(&chain, &position)| EntryAt { chain, position })
    }
}

/// One place where an author learned something.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    position: u64,
    deps: Box<[EntryAt]>,
}

#[derive(Debug, Clone, Default)]
struct ChainSteps {
    /// Where the chain leaves another one of its log.
    base: Option<EntryAt>,
    /// By position.
    steps: Vec<Step>,
}

/// Every dependency step of a workspace.
#[derive(Debug, Clone, Default)]
pub struct DepIndex {
    chains: Vec<ChainSteps>,
}

impl DepIndex {
    /// Adds the next chain. `base` is where it leaves another one.
    pub fn add_chain(&mut self, base: Option<EntryAt>) {
        self.chains.push(ChainSteps { base, steps: Vec::new() });
    }

    /// Records what the entry at `at` names. Entries of a chain come in order.
    pub fn add(&mut self, at: EntryAt, deps: impl IntoIterator<Item = EntryAt>) {
        let deps: Box<[EntryAt]> = deps.into_iter().collect();
        if let (false, Some(chain)) = (deps.is_empty(), self.chains.get_mut(at.chain.0 as usize)) {
            chain.steps.push(Step { position: at.position, deps });
        }
    }

    /// The past of `of`, itself included, together with `known`, whose own past it must contain.
    /// Costs as much as lies between the two. Iterative: a chain of a million steps needs no stack.
    pub fn past(&self, of: &[EntryAt], known: Frontier) -> Frontier {
        let mut past = known;
        let mut open: Vec<(EntryAt, u64)> = Vec::new();
        let reach = |past: &mut Frontier, at: EntryAt, open: &mut Vec<(EntryAt, u64)>| {
            let before = past.get(at.chain);
            if past.raise(at) {
                open.push((at, before));
            }
        };
        for at in of {
            reach(&mut past, *at, &mut open);
        }
        while let Some((at, before)) = open.pop() {
            let Some(chain) = self.chains.get(at.chain.0 as usize) else { continue };
            if let Some(base) = chain.base {
                reach(&mut past, base, &mut open);
            }
            for dep in self.named_behind(at, before) {
                reach(&mut past, dep, &mut open);
            }
        }
        past
    }

    /// What a log names up to `at`, as its entries name it: their own dependencies, without the past
    /// of those.
    pub fn names(&self, at: EntryAt) -> Vec<EntryAt> {
        let (mut names, mut next) = (Vec::new(), Some(at));
        while let Some(at) = next {
            names.extend(self.named_behind(at, 0));
            next = self.chains.get(at.chain.0 as usize).and_then(|chain| chain.base);
        }
        names
    }

    /// What the entries of one chain behind `before`, up to `at`, name.
    pub fn named_behind(&self, at: EntryAt, before: u64) -> impl Iterator<Item = EntryAt> + '_ {
        let steps = self.chains.get(at.chain.0 as usize).map_or(&[][..], |chain| &chain.steps);
        let from = steps.partition_point(|step| step.position <= before);
        let news = steps.iter().skip(from).take_while(move |step| step.position <= at.position);
        news.flat_map(|step| step.deps.iter().copied())
    }

    /// Those of `heads`, one a chain, that are not in the past of another one. `known` is closed,
    /// and none of them is in it. One walk over what lies below all of them, however many they are.
    pub fn maximal(&self, heads: &[EntryAt], known: &Frontier) -> Vec<EntryAt> {
        if heads.len() < 2 {
            return heads.to_vec();
        }
        let mut below = Below { index: self, known, reached: Frontier::default(), open: Vec::new() };
        for head in heads {
            below.leave(*head);
        }
        below.walk();
        heads.iter().copied().filter(|head| !below.reached.contains(*head)).collect()
    }
}

/// What lies strictly below some entries, and above what is known.
struct Below<'a> {
    index: &'a DepIndex,
    known: &'a Frontier,
    reached: Frontier,
    /// Places reached, with the position up to which their chain was reached before.
    open: Vec<(EntryAt, u64)>,
}

impl Below<'_> {
    /// Starts at an entry without reaching it: at the one before it, and at what it names.
    fn leave(&mut self, head: EntryAt) {
        let Some(chain) = self.index.chains.get(head.chain.0 as usize) else { return };
        self.reach(EntryAt { position: head.position.saturating_sub(1), ..head });
        if let Some(base) = chain.base {
            self.reach(base);
        }
        if let Ok(step) = chain.steps.binary_search_by_key(&head.position, |step| step.position)
            && let Some(step) = chain.steps.get(step)
        {
            step.deps.iter().for_each(|dep| self.reach(*dep));
        }
    }

    fn reach(&mut self, at: EntryAt) {
        let before = self.reached.get(at.chain).max(self.known.get(at.chain));
        if at.position > before {
            self.reached.raise(at);
            self.open.push((at, before));
        }
    }

    fn walk(&mut self) {
        while let Some((at, before)) = self.open.pop() {
            let Some(chain) = self.index.chains.get(at.chain.0 as usize) else { continue };
            if let Some(base) = chain.base {
                self.reach(base);
            }
            for dep in self.index.named_behind(at, before) {
                self.reach(dep);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(chain: u32, position: u64) -> EntryAt {
        EntryAt { chain: ChainNo(chain), position }
    }

    #[test]
    fn the_past_is_closed_and_a_branch_holds_what_it_left_behind_only_up_to_there() {
        let mut index = DepIndex::default();
        index.add_chain(None);
        index.add_chain(None);
        index.add_chain(Some(at(0, 2)));
        index.add(at(0, 3), [at(1, 5)]);
        index.add(at(1, 4), [at(0, 1)]);
        index.add(at(2, 4), [at(1, 2)]);
        let past = index.past(&[at(0, 3)], Frontier::default());
        assert_eq!((past.get(ChainNo(0)), past.get(ChainNo(1)), past.get(ChainNo(2))), (3, 5, 0));
        let past = index.past(&[at(2, 4)], Frontier::default());
        assert_eq!((past.get(ChainNo(0)), past.get(ChainNo(1))), (2, 2));
        assert_eq!(
            index.maximal(&[at(0, 3), at(1, 5), at(2, 4)], &Frontier::default()),
            [at(0, 3), at(2, 4)]
        );
    }

    #[test]
    fn many_heads_cost_one_walk() {
        // 40,000 logs that all name the last entry of one long log, and one that names half of them:
        // a walk for each head would take 40,000 times as long, and never end here.
        let (mut index, logs) = (DepIndex::default(), 40_000);
        for _ in 0..=logs + 1 {
            index.add_chain(None);
        }
        for position in 2..10_000 {
            index.add(at(0, position), [at(1, position - 1)]);
        }
        for log in 1..=logs {
            index.add(at(log, 10_000), [at(0, 9_999)]);
        }
        index.add(at(logs + 1, 1), (1..=logs / 2).map(|log| at(log, 10_000)));
        let heads: Vec<_> = std::iter::once(at(0, 9_999))
            .chain((1..=logs).map(|log| at(log, 10_000)))
            .chain([at(logs + 1, 1)])
            .collect();
        let maximal = index.maximal(&heads, &Frontier::default());
        assert_eq!(maximal.len(), logs as usize / 2 + 1);
        assert_eq!(maximal.last(), Some(&at(logs + 1, 1)));
    }

    #[test]
    fn a_head_below_a_known_part_is_found() {
        // Log 1 is known up to 5; its news name log 0.
        let mut index = DepIndex::default();
        index.add_chain(None);
        index.add_chain(None);
        index.add(at(1, 6), [at(0, 3)]);
        let known = index.past(&[at(1, 5)], Frontier::default());
        assert_eq!(index.maximal(&[at(0, 3), at(1, 7)], &known), [at(1, 7)]);
        assert_eq!(index.maximal(&[at(0, 4), at(1, 7)], &known), [at(0, 4), at(1, 7)]);
    }

    #[test]
    fn a_million_steps_need_no_stack() {
        let mut index = DepIndex::default();
        index.add_chain(None);
        index.add_chain(None);
        for position in 1..500_000 {
            index.add(at(0, position), [at(1, position - 1)]);
            index.add(at(1, position), [at(0, position)]);
        }
        assert_eq!(index.past(&[at(1, 499_999)], Frontier::default()).get(ChainNo(0)), 499_999);
    }
}
