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
    pub fn past(&self, of: &[EntryAt], known: &Frontier) -> Frontier {
        let mut past = known.clone();
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
            let from = chain.steps.partition_point(|step| step.position <= before);
            let news = chain.steps.iter().skip(from).take_while(|step| step.position <= at.position);
            for dep in news.flat_map(|step| step.deps.iter()) {
                reach(&mut past, *dep, &mut open);
            }
        }
        past
    }

    /// Those of `heads` that are not in the past of another one.
    pub fn maximal(&self, heads: &[EntryAt], known: &Frontier) -> Vec<EntryAt> {
        if heads.len() < 2 {
            return heads.to_vec();
        }
        let pasts: Vec<Frontier> = heads.iter().map(|head| self.past(&[*head], known)).collect();
        let covered = |index: usize| {
            let others = pasts.iter().enumerate().filter(|(other, _)| *other != index);
            heads.get(index).is_some_and(|head| others.into_iter().any(|(_, past)| past.contains(*head)))
        };
        (0..heads.len())
            .filter(|index| !covered(*index))
            .filter_map(|index| heads.get(index).copied())
            .collect()
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
        let past = index.past(&[at(0, 3)], &Frontier::default());
        assert_eq!((past.get(ChainNo(0)), past.get(ChainNo(1)), past.get(ChainNo(2))), (3, 5, 0));
        let past = index.past(&[at(2, 4)], &Frontier::default());
        assert_eq!((past.get(ChainNo(0)), past.get(ChainNo(1))), (2, 2));
        assert_eq!(
            index.maximal(&[at(0, 3), at(1, 5), at(2, 4)], &Frontier::default()),
            [at(0, 3), at(2, 4)]
        );
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
        assert_eq!(index.past(&[at(1, 499_999)], &Frontier::default()).get(ChainNo(0)), 499_999);
    }
}
