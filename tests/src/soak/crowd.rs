//! The peers of a long run, and what they go through.

use super::{
    gauge,
    readings::{HEAD, Kind, Reading},
};
use crate::{
    device::{Device, LOOPBACK, text_at, without_addresses},
    lan::{Host, Lan},
};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{
    io::Write,
    time::{Duration, Instant},
};
use velo_protocol::dice::Dice;

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_millis(100);
/// Of the time from one disturbance of a peer to the next, the part for which it is away.
const AWAY: u32 = 4;
const COLUMNS: [&str; 3] = ["To do", "Doing", "Done"];
const PRIORITIES: [&str; 4] = ["low", "medium", "high", "urgent"];
const PATIENCE_S: u64 = 120;
/// Peers whom a newcomer meets first. As later ones meet it in turn, each has twice as many sessions.
const ACQUAINTANCES: usize = 4;

/// How many peers do what for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Peers.
    pub peers: usize,
    /// From the moment all have joined.
    pub length: Duration,
    /// From one edit of a peer to its next.
    pub edit_every: Duration,
    /// From one reading to the next.
    pub read_every: Duration,
    /// From one disturbance of a peer that is disturbed to its next.
    pub disturb_every: Duration,
    /// Decides who edits what.
    pub seed: u64,
}

/// See the module.
pub struct Crowd {
    plan: Plan,
    /// Without one, all are on the loopback, and know each other by their tickets.
    lan: Option<Lan>,
    peers: Vec<Peer>,
    dice: Dice,
    /// Made since all have joined.
    edits: u64,
    /// What was not done that should have been.
    refusals: Vec<String>,
    /// How often somebody went, and came back.
    absences: u64,
}

struct Peer {
    device: Device,
    kind: Kind,
    is_away: bool,
    /// When it goes, or comes back.
    changes: Instant,
    edits: Instant,
}

impl Crowd {
    /// Has everybody start a node and join. `lan` has a host for each; without one they are on the
    /// loopback.
    ///
    /// # Errors
    /// If somebody cannot.
    pub fn gather(plan: Plan, lan: Option<Lan>) -> anyhow::Result<Self> {
        let now = Instant::now();
        let peer = |number: usize| {
            let device = Device::new(&format!("Person {number}"))?;
            anyhow::Ok(Peer { device, kind: kind(number), is_away: false, changes: now, edits: now })
        };
        let peers = (0..plan.peers).map(peer).collect::<Result<_, _>>()?;
        let dice = Dice::new(plan.seed);
        let mut crowd = Self { plan, lan, peers, dice, edits: 0, refusals: Vec::new(), absences: 0 };
        let join = crowd.found()?;
        for number in 1..crowd.peers.len() {
            crowd.join(number, &join)?;
        }
        Ok(crowd)
    }

    fn found(&mut self) -> anyhow::Result<Value> {
        self.start(0)?;
        let founder = &self.peers[0].device;
        founder.ask(&json!({ "workspace": { "create": { "name": "Workshop" } } }))?;
        founder.ask(&json!({ "project": { "add": { "name": "House", "columns": COLUMNS } } }))?;
        for number in 0..self.peers.len() {
            founder.ask(&json!({ "task": { "add": { "title": title(number) } } }))?;
        }
        let invite = founder.ask(&json!({ "invite": { "days": 7 } }))?;
        let ticket = without_addresses(text_at(&invite, "/ticket")?)?;
        Ok(json!({ "join": { "ticket": ticket, "wait": PATIENCE_S } }))
    }

    /// Has a newcomer meet some of those who are in, and join through them.
    fn join(&mut self, number: usize, join: &Value) -> anyhow::Result<()> {
        self.start(number)?;
        let newcomer = &self.peers[number].device;
        let mut others: Vec<usize> = (0..number).collect();
        for _ in 0..ACQUAINTANCES.min(number) {
            let other = others.swap_remove(self.dice.below(others.len() as u64) as usize);
            let status = self.peers[other].device.ask(&json!("status"))?;
            newcomer
                .ask(&json!({ "network": { "add": { "address": text_at(&status, "/addresses/0")? } } }))?;
        }
        let joined = newcomer.ask(join)?;
        ensure!(joined.get("arrived") == Some(&json!(true)), "peer {number}: nothing came: {joined}");
        Ok(())
    }

    fn host(&self, number: usize) -> Option<&Host> {
        self.lan.as_ref().and_then(|lan| lan.hosts().get(number))
    }

    fn start(&mut self, number: usize) -> anyhow::Result<()> {
        let host = self.lan.as_ref().and_then(|lan| lan.hosts().get(number));
        let args: &[&str] = if host.is_some() { &["--no-mdns"] } else { &LOOPBACK };
        self.peers[number].device.start(host, args)
    }

    /// Lets everybody live as planned, and writes readings into `table`.
    ///
    /// # Errors
    /// If a node ends, does not start, or cannot be read; or the table cannot be written.
    pub fn live(&mut self, table: &mut impl Write) -> anyhow::Result<()> {
        writeln!(table, "{HEAD}")?;
        let start = Instant::now();
        self.take_turns(start);
        let mut reads = start;
        while start.elapsed() < self.plan.length {
            if Instant::now() >= reads {
                self.read(start.elapsed().as_secs(), table)?;
                reads += self.plan.read_every;
            }
            for number in 0..self.peers.len() {
                self.turn(number)?;
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Spreads what they do over the time.
    fn take_turns(&mut self, start: Instant) {
        let count = self.peers.len() as u32;
        for (number, peer) in (0..).zip(&mut self.peers) {
            peer.edits = start + self.plan.edit_every * number / count;
            peer.changes = start + self.plan.disturb_every * (number + count) / (2 * count);
        }
    }

    fn turn(&mut self, number: usize) -> anyhow::Result<()> {
        let now = Instant::now();
        let peer = &self.peers[number];
        if peer.kind != Kind::Steady && now >= peer.changes {
            self.change(number).with_context(|| format!("peer {number}"))?;
        }
        let peer = &mut self.peers[number];
        if now < peer.edits {
            return Ok(());
        }
        peer.edits += self.plan.edit_every;
        // Whoever has lost its cable works on.
        if !peer.is_away || peer.kind == Kind::Unplugged {
            self.edit(number);
        }
        Ok(())
    }

    fn edit(&mut self, number: usize) {
        let action = self.action();
        match self.peers[number].device.ask(&action) {
            Ok(_) => self.edits += 1,
            Err(error) => self.refusals.push(format!("peer {number}: {error:#}")),
        }
    }

    /// Something that leaves no more on the board than there was.
    fn action(&mut self) -> Value {
        let dice = &mut self.dice;
        let task = title(dice.below(self.plan.peers as u64) as usize);
        match dice.below(3) {
            0 => {
                let column = COLUMNS[dice.below(COLUMNS.len() as u64) as usize];
                json!({ "task": { "move": { "task": task, "column": column } } })
            }
            1 => {
                let priority = PRIORITIES[dice.below(PRIORITIES.len() as u64) as usize];
                json!({ "task": { "edit": { "task": task, "fields": { "priority": priority } } } })
            }
            _ => {
                let minutes = (5 + dice.below(500)).to_string();
                json!({ "task": { "edit": { "task": task, "fields": { "estimate": minutes } } } })
            }
        }
    }

    /// Somebody goes, or comes back.
    fn change(&mut self, number: usize) -> anyhow::Result<()> {
        let away = self.plan.disturb_every / AWAY;
        if self.peers[number].is_away {
            self.come_back(number)?;
            self.peers[number].changes += away * (AWAY - 1);
        } else {
            self.go(number)?;
            self.peers[number].changes += away;
        }
        Ok(())
    }

    fn go(&mut self, number: usize) -> anyhow::Result<()> {
        self.absences += 1;
        let crash = self.absences.is_multiple_of(2);
        let peer = &mut self.peers[number];
        peer.is_away = true;
        match peer.kind {
            Kind::Steady => Ok(()),
            Kind::Sleeps => peer.device.signal("STOP"),
            Kind::Unplugged => self.host(number).map_or(Ok(()), Host::cut),
            Kind::Restarts if crash => {
                peer.device.kill();
                Ok(())
            }
            Kind::Restarts => peer.device.stop(),
        }
    }

    fn come_back(&mut self, number: usize) -> anyhow::Result<()> {
        let peer = &mut self.peers[number];
        peer.is_away = false;
        match peer.kind {
            Kind::Steady => Ok(()),
            Kind::Sleeps => peer.device.signal("CONT"),
            Kind::Unplugged => self.host(number).map_or(Ok(()), Host::mend),
            Kind::Restarts => self.start(number),
        }
    }

    fn read(&self, second: u64, table: &mut impl Write) -> anyhow::Result<()> {
        for (number, peer) in self.peers.iter().enumerate() {
            let Some(process) = peer.device.process() else { continue };
            let used = gauge::read(process).with_context(|| format!("peer {number} is gone"))?;
            let reading = Reading { second, edits: self.edits, peer: number, kind: peer.kind, used };
            writeln!(table, "{reading}")?;
        }
        Ok(table.flush()?)
    }

    /// Has everybody come back, and waits until all show the same. Returns how long that took.
    ///
    /// # Errors
    /// If they do not within `limit`, or something was refused before.
    pub fn settle(&mut self, limit: Duration) -> anyhow::Result<Duration> {
        for number in 0..self.peers.len() {
            if self.peers[number].is_away {
                self.come_back(number)?;
            }
        }
        let start = Instant::now();
        loop {
            let hashes = self.peers.iter().map(|peer| peer.device.state_hash());
            let hashes: Vec<_> = hashes.collect::<Result<_, _>>()?;
            let equal = hashes.iter().filter(|hash| **hash == hashes[0]).count();
            if equal == hashes.len() {
                break;
            }
            ensure!(start.elapsed() < limit, "{equal} of {} are equal after {limit:?}", hashes.len());
            std::thread::sleep(LOOK);
        }
        ensure!(self.refusals.is_empty(), "refused: {:?}", self.refusals);
        Ok(start.elapsed())
    }

    /// What was done, for whoever ran it.
    pub fn summary(&self) -> String {
        let (peers, edits, absences) = (self.peers.len(), self.edits, self.absences);
        format!(
            "{peers} peers made {edits} edits; {absences} times one of them slept, lost its cable, ended or crashed"
        )
    }
}

/// Of every ten three are disturbed; early ones, so that five are enough to have one of each.
fn kind(number: usize) -> Kind {
    match number % 10 {
        2 => Kind::Restarts,
        3 => Kind::Sleeps,
        4 => Kind::Unplugged,
        _ => Kind::Steady,
    }
}

fn title(number: usize) -> String {
    format!("Task {number:03}")
}
