//! A device that lies about what it holds, as a bad relay would.
//!
//! Its replica is an honest one, and whatever it signs is good; but what leaves the device passes
//! through here. It withholds entries, from some peers all of one log, which shows them another
//! history than the others; it sends entries late and in another order; it announces heads that it had
//! long ago, that nobody has, and of logs that do not exist, and so what it cannot serve. It never
//! stops: the others have to find together without it.

use super::Coverage;
use crate::{
    dice::Dice,
    id::{EntryId, LogId},
    log::Head,
    message::{Digest, Heads, Message, Ops},
};
use std::collections::BTreeMap;

/// Old announcements that are kept for each peer.
const REMEMBERED: usize = 20;

/// What is said in place of a frame.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// At once.
    pub now: Vec<Vec<u8>>,
    /// After seconds.
    pub later: Vec<Vec<u8>>,
}

impl Said {
    fn now(message: &Message) -> Self {
        Self { now: vec![message.encode()], later: Vec::new() }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Liar {
    dice: Dice,
    /// Which logs are withheld from whom hangs on this.
    favour: u64,
    /// What it announced to whom.
    announced: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl Liar {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x0011_1A12);
        Self { favour: dice.roll(), dice, announced: BTreeMap::new() }
    }

    /// What it says to a peer where an honest device would say `frame`.
    pub fn say(&mut self, to: usize, frame: Vec<u8>, coverage: &mut Coverage) -> Said {
        match Message::decode(&frame) {
            Ok(Message::Ops(ops)) => self.ops(to, ops, coverage),
            Ok(Message::Heads(heads)) => self.heads(to, heads, frame, coverage),
            Ok(Message::Digest(digest)) if self.dice.chance(300) => {
                coverage.count("lie about a digest");
                let hash = if self.dice.chance(500) { self.dice.bytes() } else { digest.hash };
                Said::now(&Message::Digest(Digest { hash, asks: self.dice.chance(500), ..digest }))
            }
            _ => Said { now: vec![frame], later: Vec::new() },
        }
    }

    /// Whether a peer is never to see a log.
    fn is_withheld(&self, to: usize, log: LogId) -> bool {
        (u64::from(log.0[0]) ^ self.favour.rotate_right(to as u32 * 8)).is_multiple_of(3)
    }

    fn ops(&mut self, to: usize, ops: Ops, coverage: &mut Coverage) -> Said {
        let Ops { workspace, mut runs } = ops;
        let before = runs.len();
        runs.retain(|run| !self.is_withheld(to, run.log));
        coverage.add("run withheld from some", (before - runs.len()) as u64);
        let mut said = Said::default();
        let message = |runs| Message::Ops(Ops { workspace, runs }).encode();
        match self.dice.below(10) {
            0..2 => coverage.add("run withheld", runs.len() as u64),
            2..4 => {
                coverage.add("run sent late", runs.len() as u64);
                said.later.push(message(runs));
            }
            4..6 => {
                coverage.add("run out of order", runs.len() as u64);
                runs.reverse();
                said.now.extend(runs.into_iter().map(|run| message(vec![run])));
            }
            _ => said.now.push(message(runs)),
        }
        said
    }

    fn heads(&mut self, to: usize, heads: Heads, frame: Vec<u8>, coverage: &mut Coverage) -> Said {
        let announced = self.announced.entry(to).or_default();
        let old = self.dice.pick(announced).cloned();
        announced.push(frame.clone());
        if announced.len() > REMEMBERED {
            announced.remove(0);
        }
        match self.dice.below(10) {
            0..2 => {
                coverage.count("old heads announced again");
                Said { now: vec![old.unwrap_or(frame)], later: Vec::new() }
            }
            2 => {
                coverage.count("heads withheld");
                Said::default()
            }
            3..6 => {
                coverage.count("made-up heads announced");
                let heads = Heads { heads: self.made_up(heads.heads), ..heads };
                Said::now(&Message::Heads(heads))
            }
            _ => Said { now: vec![frame], later: Vec::new() },
        }
    }

    /// Heads that nobody has: further on, further back, and of logs that there are not.
    fn made_up(&mut self, mut heads: Vec<(LogId, Head)>) -> Vec<(LogId, Head)> {
        for (_, head) in &mut heads {
            match self.dice.below(5) {
                0 => head.position += 1 + self.dice.below(1 << 40),
                1 => head.position = head.position.saturating_sub(1 + self.dice.below(20)).max(1),
                2 => head.id = EntryId(self.dice.bytes()),
                _ => {}
            }
        }
        if heads.len() < crate::limits::HEADS_PER_MESSAGE {
            let head = Head { position: 1 + self.dice.below(100), id: EntryId(self.dice.bytes()) };
            heads.push((LogId(self.dice.bytes()), head));
        }
        heads
    }
}
