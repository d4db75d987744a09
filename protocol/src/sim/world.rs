//! The network, its faults, and what must hold in the end.

use super::{Coverage, EPOCH_MS, Plan, Report, Step, byzantine::Cheat, device::Device, liar::Liar};
use crate::{
    dice::Dice,
    id::{DeviceId, EntryId, LogId, WorkspaceId},
    message::Lane,
    replica::{BatchId, Command, Event, Input, Output, Refusal, Reply, RequestId},
    store::{Batch, memory},
    ticket::Ticket,
    time::Now,
};
use std::collections::{BTreeMap, BTreeSet};

mod byzantine;
mod check;
mod disk;
mod founding;
mod oracle;
mod people;
mod presence;
mod private;
mod reference;
mod secrets;
mod steps;
mod texts;

/// Time after healing in which everything must have settled: some rounds of digests.
const SETTLE_MS: u64 = 60_000;
/// Time between reconnection attempts.
const REDIAL_MS: u64 = 500;
/// Time after healing by which every device has started again.
const HEAL_MS: u64 = 5_000;

#[derive(Debug, Clone)]
enum Happening {
    Deliver { from: usize, to: usize, link: u64, frame: Vec<u8> },
    Persist { device: usize, workspace: WorkspaceId, life: u64, batch: BatchId, runs: Batch },
    Wake { device: usize, life: u64 },
    Sent { device: usize, peer: DeviceId, bytes: usize },
    Step(Step),
    Restart { device: usize },
    SyncOn { device: usize },
    Start { device: usize },
    Redial,
}

/// See the module.
#[derive(Debug)]
pub struct World {
    plan: Plan,
    dice: Dice,
    now_ms: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    devices: Vec<Device>,
    workspace: Option<WorkspaceId>,
    /// Open links by pair, with a number that changes when they are opened anew.
    links: BTreeMap<(usize, usize), u64>,
    /// The last delivery time on a link, direction and stream: frames stay in order.
    lanes: BTreeMap<(usize, usize, Lane), u64>,
    /// While the network is split: the side of each device.
    sides: Option<Vec<bool>>,
    /// What a command wrote, until it is answered.
    written: BTreeMap<RequestId, (LogId, EntryId)>,
    next_request: RequestId,
    next_link: u64,
    replies: BTreeMap<RequestId, Reply>,
    /// Every ticket that somebody was given.
    tickets: Vec<Ticket>,
    /// Two devices that do not meet: who joins late, and who invited.
    apart: Option<(usize, usize)>,
    /// The device that was restored from a backup.
    restored: Option<usize>,
    /// The devices that took the workspace off.
    forgot: BTreeSet<usize>,
    /// The member that cheats, once it does.
    cheat: Option<Cheat>,
    /// What the device that lies knows, if there is one.
    liar: Option<Liar>,
    /// What everybody together knows.
    secrets: secrets::Secrets,
    /// Commands still to be given.
    acts_left: usize,
    /// Faults strike until everything heals.
    acting: bool,
    /// Not everybody is a member yet.
    founding: bool,
    coverage: Coverage,
    /// Over everything that the devices put out.
    trace: blake3::Hasher,
    /// What happened, for people, if it is kept.
    story: Option<Vec<String>>,
}

impl World {
    /// A network of new devices. The first founds a workspace, the others join it.
    pub fn new(plan: Plan) -> Self {
        let mut dice = Dice::new(plan.seed);
        let mut devices: Vec<Device> = Vec::new();
        for number in 0..plan.replicas {
            let first = devices.get(1).filter(|_| plan.second_device && number == 2);
            let device = Device::new(&mut dice, &plan, first);
            devices.push(device);
        }
        Self {
            secrets: secrets::Secrets::new(&devices),
            tickets: Vec::new(),
            apart: None,
            restored: None,
            forgot: BTreeSet::new(),
            cheat: None,
            liar: plan.liar.map(|_| Liar::new(plan.seed)),
            plan,
            dice,
            now_ms: 0,
            sequence: 0,
            queue: BTreeMap::new(),
            devices,
            workspace: None,
            links: BTreeMap::new(),
            lanes: BTreeMap::new(),
            sides: None,
            written: BTreeMap::new(),
            next_request: 0,
            next_link: 0,
            replies: BTreeMap::new(),
            acts_left: 0,
            acting: true,
            founding: true,
            coverage: Coverage::default(),
            trace: blake3::Hasher::new(),
            story: None,
        }
    }

    /// Keeps from now on what happens, for people.
    pub fn keep_story(&mut self) {
        self.story = Some(Vec::new());
    }

    /// What happened, if that was kept.
    pub fn into_story(self) -> Vec<String> {
        self.story.unwrap_or_default()
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:>7}.{:03} s  {}", self.now_ms / 1_000, self.now_ms % 1_000, what()));
        }
    }

    /// What was done.
    pub fn into_report(self) -> Report {
        Report { fingerprint: *self.trace.finalize().as_bytes(), coverage: self.coverage }
    }

    /// Plays the schedule and checks what must hold.
    pub fn play(&mut self) -> Result<(), String> {
        self.found()?;
        self.founding = false;
        self.lay_steps();
        if self.acts_left > 0 {
            self.run_until(None)?;
        }
        self.acting = false;
        self.heal()?;
        let end = self.now_ms + SETTLE_MS;
        self.run_until(Some(end))?;
        self.write_last()?;
        self.check()?;
        self.check_presence()
    }

    /// Gives a command and lets time pass until it is answered.
    fn ask(&mut self, device: usize, command: Command) -> Result<Option<Reply>, String> {
        let request = self.command(device, command)?;
        let end = self.now_ms + 1_000;
        self.run_until(Some(end))?;
        Ok(self.replies.remove(&request))
    }

    fn at(&mut self, time: u64, what: Happening) {
        self.sequence += 1;
        self.queue.insert((time, self.sequence), what);
    }

    /// Lets things happen, up to `end` or until every command was given.
    fn run_until(&mut self, end: Option<u64>) -> Result<(), String> {
        while let Some(((time, sequence), _)) = self.queue.first_key_value() {
            let key = (*time, *sequence);
            if end.is_some_and(|end| key.0 > end) {
                break;
            }
            let Some(what) = self.queue.remove(&key) else { break };
            self.now_ms = self.now_ms.max(key.0);
            self.happen(what)?;
            if end.is_none() && self.acts_left == 0 {
                return Ok(());
            }
        }
        self.now_ms = self.now_ms.max(end.unwrap_or(0));
        Ok(())
    }

    fn happen(&mut self, what: Happening) -> Result<(), String> {
        match what {
            Happening::Deliver { from, to, link, frame } => self.deliver(from, to, link, frame),
            Happening::Persist { device, workspace, life, batch, runs } => {
                self.persist((device, workspace), life, batch, &runs)
            }
            Happening::Wake { device, life } => {
                let due = self.devices[device].life == life
                    && self.devices[device].wake_at.is_some_and(|at| at <= self.now_ms);
                if due { self.input(device, Input::Wake) } else { Ok(()) }
            }
            Happening::Sent { device, peer, bytes } => self.input(device, Input::Sent { peer, bytes }),
            Happening::Step(step) => {
                self.tell(|| format!("step: {:?}", step.what));
                // Dice of its own: what it does hangs on nothing that other steps do by chance.
                let dice = std::mem::replace(&mut self.dice, Dice::new(step.seed));
                let done = self.take_step(step.what);
                self.dice = dice;
                done
            }
            Happening::Restart { device } => self.crash(device, "restart after a disk fault"),
            Happening::SyncOn { device } => self.switch_sync_on(device),
            Happening::Start { device } => self.start(device),
            Happening::Redial => self.redial(),
        }
    }

    fn now(&self, device: usize) -> Now {
        let wall = (EPOCH_MS + self.now_ms).saturating_add_signed(self.devices[device].clock_error_ms);
        Now { wall_ms: wall, mono_ms: self.now_ms }
    }

    fn input(&mut self, device: usize, input: Input) -> Result<(), String> {
        let now = self.now(device);
        let logs = self.devices[device].logs();
        let Some(replica) = &mut self.devices[device].replica else { return Ok(()) };
        replica.handle(now, input, &logs);
        self.drain(device)
    }

    fn drain(&mut self, device: usize) -> Result<(), String> {
        while let Some(output) = self.devices[device].replica.as_mut().and_then(crate::replica::Replica::poll)
        {
            self.output(device, output)?;
        }
        Ok(())
    }

    fn output(&mut self, device: usize, output: Output) -> Result<(), String> {
        self.note(device, &output);
        match output {
            Output::Remember(record) => {
                self.check_remembered(device, &record)?;
                let disk = self.devices[device].disk_of(record.id);
                disk.record = Some(record);
            }
            Output::AskCarry { peer, offer } => {
                let decision = Err("nobody here is a relay".to_owned());
                self.input(device, Input::CarryDecided { peer, offer, decision })?;
            }
            Output::Become(identity) => self.become_device(device, *identity),
            Output::Forget(workspace) => self.forgotten(device, workspace),
            Output::Persist { workspace, id, batch } => {
                self.check_written((device, workspace), &batch)?;
                let at = (self.now_ms + 1 + self.dice.below(5)).max(self.devices[device].disk_busy_until);
                let life = self.devices[device].life;
                self.devices[device].disk_busy_until = at;
                self.at(at, Happening::Persist { device, workspace, life, batch: id, runs: batch });
            }
            Output::Send { peer, frame } => self.send(device, peer, frame)?,
            Output::Disconnect { peer, reason } => {
                let Some(other) = self.device(peer) else { return Ok(()) };
                self.tell(|| format!("device {device} disconnects {other}: {reason}"));
                if self.breaks_rules(other) || self.breaks_rules(device) {
                    self.coverage.count("cheat disconnected");
                } else if [device, other].iter().all(|device| self.devices[*device].disk.record.is_some()) {
                    return Err(format!("device {device} disconnected an honest peer: {reason}"));
                } else {
                    self.coverage.count("stranger disconnected");
                }
                self.cut(device, other)?;
            }
            Output::WakeAt(at) => {
                let life = self.devices[device].life;
                self.devices[device].wake_at = Some(at);
                self.at(at.max(self.now_ms + 1), Happening::Wake { device, life });
            }
            Output::Event(Event::Forked { log, .. }) if self.is_of_cheat(device, log) => {
                self.coverage.count("fork by a cheat seen");
            }
            Output::Event(Event::JoinRefused { .. }) => self.join_refused(device),
            Output::Event(Event::Forked { .. }) => {
                self.coverage.count("fork seen");
                if self.plan.marker || !self.plan.restores {
                    return Err("a log was forked".into());
                }
            }
            Output::Event(Event::Damaged { reason, .. }) => {
                if !reason.contains(memory::FAULT) {
                    return Err(format!("device {device} could not read what it stored: {reason}"));
                }
                self.coverage.count("read failed");
                self.break_down(device);
            }
            Output::Event(Event::ReadOnly { .. }) if self.devices[device].broken => {}
            Output::Event(Event::ReadOnly { reason }) => {
                return Err(format!("device {device} went read-only: {reason}"));
            }
            // Everybody who can be reached is dialled anyhow.
            Output::Event(_) | Output::Dial { .. } => {}
            Output::Reply { request, result } => self.replied(device, request, result),
        }
        Ok(())
    }

    fn replied(&mut self, device: usize, request: RequestId, result: Result<Reply, Refusal>) {
        let written = self.written.remove(&request);
        match result {
            Ok(reply) => {
                self.note_ticket(&reply);
                self.replies.insert(request, reply);
                self.devices[device].acknowledged.extend(written);
                self.coverage.count("command acknowledged");
            }
            Err(refusal) => {
                self.coverage.count("command refused");
                self.tell(|| format!("device {device} is refused: {refusal}"));
                if let Refusal::Role(words) = refusal {
                    self.coverage.count(people::refused(&words));
                }
            }
        }
    }

    /// The end of a device's own log, durable or not.
    fn own_end(&self, device: usize) -> Option<(LogId, EntryId)> {
        let logs = self.devices[device].replica.as_ref()?.logs(self.workspace?)?;
        let own = self.devices[device].disk.record.as_ref()?.origin.log_id(self.workspace?);
        let chain = logs.chain(logs.first_chain(own)?)?;
        Some((own, chain.end.head.id))
    }

    fn device(&self, id: DeviceId) -> Option<usize> {
        self.devices.iter().position(|device| device.id() == id)
    }

    fn send(&mut self, from: usize, peer: DeviceId, frame: Vec<u8>) -> Result<(), String> {
        if frame.len() > crate::limits::FRAME {
            return Err(format!("a frame of {} bytes", frame.len()));
        }
        let (bytes, lane) = (frame.len(), Lane::of(&frame));
        if let Some((to, link)) = self.device(peer).and_then(|to| Some((to, self.link(from, to)?))) {
            for frame in self.lie(from, to, link, frame) {
                self.travel(from, to, link, frame);
            }
        }
        if lane == Lane::Session {
            self.at(self.now_ms + 1, Happening::Sent { device: from, peer, bytes });
        }
        Ok(())
    }

    fn travel(&mut self, from: usize, to: usize, link: u64, frame: Vec<u8>) {
        // A stream loses nothing while it is open. What is lost here is what a peer may drop when its
        // queue overflows: digests, heads and entries, which the protocol repairs, and who is here, which
        // is said again; and any part of a pull, which may break off.
        let stream = Lane::of(&frame);
        let droppable = stream == Lane::Pull || matches!(frame.first(), Some(2..=4 | 14));
        let rough = self.acting && droppable;
        if rough && self.dice.chance(self.plan.loss) {
            return self.coverage.count("frame lost");
        }
        let delay = 1 + self.dice.below(40);
        let lane = self.lanes.entry((from, to, stream)).or_default();
        let mut at = (self.now_ms + delay).max(*lane + 1);
        *lane = at;
        if rough && self.dice.chance(self.plan.reordering) {
            self.coverage.count("frame overtaken");
            at += 100;
        }
        if rough && self.dice.chance(self.plan.duplication) {
            self.coverage.count("frame doubled");
            self.at(at + 7, Happening::Deliver { from, to, link, frame: frame.clone() });
        }
        self.at(at, Happening::Deliver { from, to, link, frame });
    }

    fn deliver(&mut self, from: usize, to: usize, link: u64, frame: Vec<u8>) -> Result<(), String> {
        if self.link(from, to) != Some(link) {
            return Ok(());
        }
        self.coverage.count("frame delivered");
        let peer = self.devices[from].id();
        self.input(to, Input::Received { peer, frame })
    }

    fn crash(&mut self, device: usize, how: &'static str) -> Result<(), String> {
        if self.devices[device].replica.is_none() {
            return Ok(());
        }
        self.coverage.count(how);
        self.tell(|| format!("device {device}: {how}"));
        self.devices[device].crash();
        for other in 0..self.devices.len() {
            self.cut(device, other)?;
        }
        let at = self.now_ms + 200 + self.dice.below(3_000);
        self.at(at, Happening::Start { device });
        Ok(())
    }

    fn start(&mut self, device: usize) -> Result<(), String> {
        if self.devices[device].replica.is_some() {
            return Ok(());
        }
        self.tell(|| format!("device {device} starts"));
        let started = self.devices[device].start(&mut self.dice);
        started.map_err(|error| format!("device {device} did not start: {error}"))?;
        self.drain(device)
    }

    /// The device comes back as it was at its backup.
    fn restore(&mut self, device: usize) -> Result<(), String> {
        if self.devices[device].disk.backup.is_none() {
            return Ok(());
        }
        self.coverage.count("restored from a backup");
        self.tell(|| format!("device {device} is restored from its backup"));
        self.restored = Some(device);
        self.devices[device].crash();
        for other in 0..self.devices.len() {
            self.cut(device, other)?;
        }
        self.devices[device].go_back(self.plan.marker).map_err(|error| error.to_string())?;
        self.forget_what_nobody_has();
        self.start(device)
    }

    /// What was on a disk that is here no more, and on no other one, is lost; people know that backups are of
    /// the past, and that a workspace taken off a device is only with the others. So it is also for what others
    /// had of somebody who took it off.
    fn forget_what_nobody_has(&mut self) {
        let lost_a_disk = |device: &usize| self.forgot.contains(device) || self.restored == Some(*device);
        for device in (0..self.devices.len()).filter(lost_a_disk).collect::<Vec<_>>() {
            let acknowledged = std::mem::take(&mut self.devices[device].acknowledged);
            let is_held =
                |(log, id): &(LogId, EntryId)| self.devices.iter().any(|on| on.disk.holds(*log, *id));
            self.devices[device].acknowledged = acknowledged.into_iter().filter(is_held).collect();
        }
    }

    fn link(&self, a: usize, b: usize) -> Option<u64> {
        self.links.get(&(a.min(b), a.max(b))).copied()
    }

    fn cut(&mut self, a: usize, b: usize) -> Result<(), String> {
        if self.links.remove(&(a.min(b), a.max(b))).is_none() {
            return Ok(());
        }
        self.coverage.count("link cut");
        self.tell(|| format!("link between {a} and {b} cut"));
        for (device, other) in [(a, b), (b, a)] {
            let peer = self.devices[other].id();
            self.input(device, Input::PeerDown { peer })?;
        }
        Ok(())
    }

    fn cut_links(&mut self) -> Result<(), String> {
        let pairs: Vec<(usize, usize)> = self.links.keys().copied().collect();
        for (a, b) in pairs {
            if !self.reachable(a, b) {
                self.cut(a, b)?;
            }
        }
        Ok(())
    }

    fn reachable(&self, a: usize, b: usize) -> bool {
        let up = |device: usize| self.devices[device].replica.is_some();
        let together = self.sides.as_ref().is_none_or(|sides| sides.get(a) == sides.get(b))
            && self.apart != Some((a.min(b), a.max(b)));
        together && up(a) && up(b)
    }

    /// Opens the links that can be opened. In larger networks some pairs never meet, so that
    /// entries travel over several hops. Somebody whom nobody knows passes nothing on: round them, people
    /// meet in the end.
    fn redial(&mut self) -> Result<(), String> {
        let all_meet = !self.acting && self.is_somebody_unknown();
        for a in 0..self.devices.len() {
            for b in a + 1..self.devices.len() {
                let direct = all_meet || b == a + 1 || !(a + b + self.plan.seed as usize).is_multiple_of(3);
                if direct && self.link(a, b).is_none() && self.reachable(a, b) {
                    self.connect(a, b)?;
                }
            }
        }
        self.at(self.now_ms + REDIAL_MS, Happening::Redial);
        Ok(())
    }

    fn connect(&mut self, a: usize, b: usize) -> Result<(), String> {
        self.next_link += 1;
        self.links.insert((a, b), self.next_link);
        self.coverage.count("link opened");
        self.tell(|| format!("link between {a} and {b} opened"));
        for (device, other) in [(a, b), (b, a)] {
            let peer = self.devices[other].id();
            self.input(device, Input::PeerUp { peer })?;
        }
        Ok(())
    }

    fn command(&mut self, device: usize, command: Command) -> Result<RequestId, String> {
        self.next_request += 1;
        let request = self.next_request;
        let before = self.own_end(device);
        self.input(device, Input::Command { request, command })?;
        if let Some(written) = self.own_end(device).filter(|end| Some(*end) != before) {
            // What is answered is safe, however early the answer came.
            if self.replies.contains_key(&request) {
                self.devices[device].acknowledged.push(written);
            } else {
                self.written.insert(request, written);
            }
        }
        Ok(request)
    }
}
