//! Devices that run the real replica on a store in memory, and the bridge of the app to one of
//! them. Time stands still unless a test moves it, and nothing is random: pictures stay equal.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};
use velo_app::{
    bridge::{Answer, Answered, Bridge, Me, Peer, Request, picture, sample},
    view::{
        attachments::Found,
        date::Moment,
        doctor::{Bundle, Checkup},
        keys::{Keeping, Place},
        phrase::Words,
        state::Preferences,
        storage::Space,
        story,
    },
};
use velo_node::short_id::Numbering;
use velo_protocol::{
    access::Role,
    change::Change,
    history::{self, LoggedEntry},
    id::{DeviceId, EntityId, PersonId, WorkspaceId},
    replica::{Command, Event, Identity, Input, Logs, Output, Present, Replica, Reply, RequestId},
    root::Root,
    store::{
        EntryAt, LogReader, LogStore,
        memory::{MemoryLog, MemoryReader},
    },
    ticket::Ticket,
    time::Now,
    workspace::Workspace,
};

/// Sunday, 22 November 2026, 10:00 UTC.
pub const MORNING_MS: u64 = 1_795_341_600_000;

/// Requests that tests make themselves, apart from those of the app.
const OWN_REQUEST: RequestId = 1 << 40;

struct Readers(BTreeMap<WorkspaceId, MemoryReader>);

impl Logs for Readers {
    fn reader(&self, workspace: WorkspaceId) -> Option<&dyn LogReader> {
        self.0.get(&workspace).map(|reader| reader as &dyn LogReader)
    }
}

/// One device.
pub struct Device {
    identity: Identity,
    replica: Replica,
    logs: BTreeMap<WorkspaceId, MemoryLog>,
    answers: Vec<Answer>,
    sent: VecDeque<(DeviceId, Vec<u8>)>,
    now: Now,
    preferences: Preferences,
    /// The name that was noted for whoever is here.
    pub name: Option<String>,
    /// What it says it cannot show or save.
    pub troubles: Vec<String>,
    /// What of the content of attachments is here.
    pub found: Vec<Found>,
    /// What takes up space, if that is known.
    pub space: Option<Space>,
    /// Workspaces whose ticket it could not use, and why.
    pub refusals: Vec<(WorkspaceId, String)>,
    /// More devices of its person, as if they had been linked.
    pub linked: Vec<DeviceId>,
    /// Where it says that it can be reached.
    pub addresses: Vec<String>,
    /// The 24 words that its person has not confirmed yet.
    pub phrase: Option<Words>,
    /// How its keys are kept.
    pub keys: Option<Keeping>,
    /// What its connection doctor finds.
    pub checkups: Vec<Checkup>,
    /// What becomes of its diagnostics file.
    pub bundle: Result<Bundle, String>,
    /// Whether nothing can be written.
    pub full: bool,
    /// How many pauses of the app an answer takes.
    pub slow: usize,
    /// How many it has made.
    pub pauses: Cell<usize>,
}

/// A device that several hold on to: the app's bridge, and the test.
pub type Shared = Rc<RefCell<Device>>;

impl Device {
    /// The device of a person, both drawn from `seed`.
    pub fn new(seed: u8) -> Shared {
        Self::of(seed, seed ^ 0x80)
    }

    /// A device of the person drawn from a seed.
    pub fn of(person: u8, device: u8) -> Shared {
        let mut identity = Identity::from_seeds([person; 32], &[device; 32]);
        identity.private = Some(Box::new(Root::from_seed([person; 32]).private_workspace()));
        Rc::new(RefCell::new(Self {
            replica: Replica::new(identity.clone(), [(device ^ 0x80).wrapping_add(1); 32]),
            identity,
            logs: BTreeMap::new(),
            answers: Vec::new(),
            sent: VecDeque::new(),
            now: Now { wall_ms: MORNING_MS, mono_ms: 1_000 },
            preferences: Preferences::default(),
            name: None,
            troubles: Vec::new(),
            found: Vec::new(),
            space: None,
            refusals: Vec::new(),
            linked: Vec::new(),
            addresses: vec!["/ip4/192.168.1.7/tcp/4001".to_owned()],
            phrase: None,
            keys: Some(Keeping { place: Place::Plain, folder: "/home/anna/.local/share/velo/keys".into() }),
            checkups: Vec::new(),
            bundle: Err("there is no disk in a test".to_owned()),
            full: false,
            slow: 0,
            pauses: Cell::new(0),
        }))
    }

    fn readers(&self) -> Readers {
        Readers(self.logs.iter().map(|(id, log)| (*id, log.reader())).collect())
    }

    fn handle(&mut self, mut input: Input) {
        // As the driver does.
        if let Input::Command { command: Command::Edit { workspace, changes }, .. } = &mut input {
            Numbering::default().give(&self.workspace(*workspace), changes);
        }
        let readers = self.readers();
        self.replica.handle(self.now, input, &readers);
        while let Some(output) = self.replica.poll() {
            self.output(output);
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Become(identity) => self.identity = *identity,
            Output::Remember(record) => {
                self.logs.entry(record.id).or_default();
            }
            Output::Forget(workspace) => {
                self.logs.remove(&workspace);
            }
            Output::Persist { workspace, id, batch } => {
                let log = self.logs.entry(workspace).or_default();
                let full = || Err("the disk is full".to_owned());
                let done =
                    if self.full { full() } else { log.append(&batch).map_err(|error| error.to_string()) };
                let input = match done {
                    Ok(()) => Input::Persisted { batch: id },
                    Err(reason) => Input::PersistFailed { batch: id, reason },
                };
                self.handle(input);
            }
            Output::Send { peer, frame } => self.sent.push_back((peer, frame)),
            Output::Reply { request, result } => {
                let result = result.map(Answered::Reply).map_err(|refusal| refusal.to_string());
                self.answers.push(Answer { request, result });
            }
            Output::Event(Event::JoinRefused { workspace, reason }) => {
                self.refusals.push((workspace, reason));
            }
            Output::Event(Event::WorkspaceForgotten { workspace }) => {
                self.refusals.retain(|(refused, _)| *refused != workspace);
            }
            Output::AskCarry { peer, offer } => {
                self.handle(Input::CarryDecided { peer, offer, decision: Ok(None) });
            }
            Output::Disconnect { .. } | Output::Dial { .. } | Output::WakeAt(_) | Output::Event(_) => {}
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        self.now = Now { wall_ms: self.now.wall_ms + ms, mono_ms: self.now.mono_ms + ms };
        self.handle(Input::Wake);
    }

    /// Has a command done as the app would.
    pub fn run(&mut self, command: Command) -> Reply {
        self.handle(Input::Command { request: OWN_REQUEST, command });
        let at = self.answers.iter().position(|answer| answer.request == OWN_REQUEST).unwrap();
        match self.answers.remove(at).result.unwrap() {
            Answered::Reply(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// Begins what is answered later.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub fn begin(&mut self, command: Command) {
        self.handle(Input::Command { request: OWN_REQUEST + 1, command });
    }

    /// Founds a workspace.
    pub fn found(&mut self, name: &str, person: &str) -> WorkspaceId {
        let command = Command::CreateWorkspace { name: name.into(), person_name: person.into() };
        match self.run(command) {
            Reply::Workspace(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// Changes entities.
    pub fn edit(&mut self, workspace: WorkspaceId, changes: Vec<Change>) {
        self.run(Command::Edit { workspace, changes });
    }

    /// Puts the embedded board into a workspace.
    pub fn fill(&mut self, workspace: WorkspaceId) {
        self.edit(workspace, demo_board(workspace));
    }

    /// What is visible.
    pub fn workspace(&self, id: WorkspaceId) -> Workspace {
        let mut workspace = self.replica.workspace(id).unwrap().clone();
        if !self.linked.is_empty() {
            let mut roster = workspace.roster().clone();
            let own = roster.members.get_mut(&self.identity.person);
            own.unwrap().devices.extend(&self.linked);
            workspace.set_roster(roster);
        }
        workspace
    }

    /// Who else is here, as it hears.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub fn present(&self, workspace: WorkspaceId) -> Vec<Present> {
        self.replica.present(workspace)
    }

    /// A new id.
    pub fn id(&mut self) -> EntityId {
        self.replica.new_entity_id(self.now)
    }

    fn entry(&self, workspace: WorkspaceId, at: EntryAt) -> Option<LoggedEntry> {
        let reader = self.logs.get(&workspace)?.reader();
        let origin = reader.chains().into_iter().nth(at.chain.0 as usize)?.origin;
        let run = reader.read_run(at.chain, at.position.checked_sub(1)?).ok()??;
        let entries = velo_protocol::log::parse_entries(run.after, &run.bytes).ok()?;
        let entry = entries.first()?;
        let ciphers = self.replica.workspace(workspace)?.ciphers();
        let body = ciphers.open(run.log, run.after.id, entry, &run.bytes).plain()?.to_vec();
        Some(LoggedEntry { prefix: entry.id.prefix(), origin, header: entry.header.clone(), body })
    }

    /// Whose device it is.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub fn person(&self) -> PersonId {
        self.identity.person
    }

    /// This device.
    pub fn device(&self) -> DeviceId {
        self.identity.device_id()
    }
}

fn demo_board(workspace: WorkspaceId) -> Vec<Change> {
    let today = Moment { wall_ms: MORNING_MS, offset_s: 0 }.today();
    sample::changes(workspace, today).unwrap()
}

/// Has somebody make a ticket that lasts for a week.
pub fn ticket(from: &Shared, workspace: WorkspaceId, role: Role) -> Ticket {
    let expires_ms = MORNING_MS + 7 * 24 * 3_600_000;
    let invite = Command::Invite { workspace, role, single_use: false, expires_ms, addresses: Vec::new() };
    match from.borrow_mut().run(invite) {
        Reply::Ticket(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

/// Lets `one` join the workspace of `other` as a member, and both agree.
#[allow(dead_code, reason = "each test program uses a part of it")]
pub fn join(one: &Shared, name: &str, other: &Shared, workspace: WorkspaceId) {
    join_as(Role::Member, one, name, other, workspace);
}

/// Lets `one` join the workspace of `other`, and both agree.
pub fn join_as(role: Role, one: &Shared, name: &str, other: &Shared, workspace: WorkspaceId) {
    let ticket = ticket(other, workspace, role);
    one.borrow_mut().run(Command::Join { ticket, person_name: name.into() });
    meet(one, other);
}

/// Connects two devices, lets them agree, and leaves them connected.
pub fn meet(one: &Shared, other: &Shared) {
    let (first, second) = (one.borrow().device(), other.borrow().device());
    one.borrow_mut().handle(Input::PeerUp { peer: second });
    other.borrow_mut().handle(Input::PeerUp { peer: first });
    talk(one, other);
}

/// Lets two connected devices agree.
pub fn talk(one: &Shared, other: &Shared) {
    let (first, second) = (one.borrow().device(), other.borrow().device());
    // Digests and debounced announcements need a few rounds of time.
    for _ in 0..40 {
        while deliver(one, first, other) | deliver(other, second, one) {}
        one.borrow_mut().pass(500);
        other.borrow_mut().pass(500);
    }
}

/// Cuts the connection.
#[allow(dead_code, reason = "each test program uses a part of it")]
pub fn part(one: &Shared, other: &Shared) {
    let (first, second) = (one.borrow().device(), other.borrow().device());
    one.borrow_mut().handle(Input::PeerDown { peer: second });
    other.borrow_mut().handle(Input::PeerDown { peer: first });
    one.borrow_mut().sent.retain(|(peer, _)| *peer != second);
    other.borrow_mut().sent.retain(|(peer, _)| *peer != first);
}

/// Hands over what `from` has sent. Returns whether there was anything.
fn deliver(from: &Shared, sender: DeviceId, to: &Shared) -> bool {
    // What is on its way to others stays; what was sent to somebody who has gone is lost.
    let receiver = to.borrow().device();
    let sent = std::mem::take(&mut from.borrow_mut().sent);
    let (frames, rest): (VecDeque<_>, VecDeque<_>) =
        sent.into_iter().partition(|(peer, _)| *peer == receiver);
    from.borrow_mut().sent = rest;
    let any = !frames.is_empty();
    for (peer, frame) in frames {
        let bytes = frame.len();
        to.borrow_mut().handle(Input::Received { peer: sender, frame });
        from.borrow_mut().handle(Input::Sent { peer, bytes });
    }
    any
}

/// The app's bridge to a device of the test.
pub struct TestBridge(pub Shared);

impl Device {
    /// What is answered without the replica.
    fn answered(&mut self, request: Request) -> Result<Answered, String> {
        let without_disk = |what: &str| Err(format!("{what} in a test without a disk"));
        match request {
            Request::Dial(address) => Err(format!("\"{address}\" cannot be reached from a test")),
            Request::Story(workspace, task) => {
                let shown = self.workspace(workspace);
                Ok(Answered::Story(story::tell(&shown, task, &|at| self.entry(workspace, at))))
            }
            Request::Phrase => Ok(Answered::Phrase(self.phrase.clone())),
            Request::ConfirmPhrase(words) => self.confirm(&words.0),
            Request::ReadPicture(wanted, looked_at) => {
                picture::read(wanted, &looked_at).map(Answered::Picture)
            }
            Request::Attachments(_) => Ok(Answered::Attachments(self.found.clone())),
            Request::FetchContent(..) => Ok(Answered::Reply(Reply::Done)),
            Request::Storage(_) => match self.space.clone() {
                Some(space) => Ok(Answered::Storage(space)),
                None => without_disk("nothing is stored"),
            },
            Request::Doctor => Ok(Answered::Doctor(self.checkups.clone())),
            Request::Diagnose => self.bundle.clone().map(Answered::Diagnosed),
            Request::SetPassphrase(..) => without_disk("keys are not changed"),
            _ => without_disk("there are no files"),
        }
    }

    fn confirm(&mut self, words: &str) -> Result<Answered, String> {
        let right = self.phrase.as_ref().map(|words| Root::from_phrase(&words.0).unwrap());
        let wrong = right.map_or(Ok(Vec::new()), |right| right.wrong_words(words));
        if let Some(wrong) = wrong.map_err(|error| error.to_string())?.first() {
            return Err(format!("word {wrong} is another one"));
        }
        self.phrase = None;
        Ok(Answered::Reply(Reply::Done))
    }
}

impl Bridge for TestBridge {
    fn private(&self) -> Option<Workspace> {
        let device = self.0.borrow();
        device.replica.private_id().and_then(|id| device.replica.workspace(id).cloned())
    }

    fn moment(&self) -> Moment {
        Moment { wall_ms: self.0.borrow().now.wall_ms, offset_s: 0 }
    }

    fn me(&self) -> Me {
        let device = self.0.borrow();
        Me { person: device.identity.person, device: device.device() }
    }

    fn workspaces(&self) -> Vec<WorkspaceId> {
        let device = self.0.borrow();
        let private = device.replica.private_id();
        device.replica.workspaces().into_iter().filter(|id| Some(*id) != private).collect()
    }

    fn workspace(&self, id: WorkspaceId) -> Option<Workspace> {
        let device = self.0.borrow();
        device.replica.workspace(id).map(|_| device.workspace(id))
    }

    fn peers(&self) -> Vec<Peer> {
        let device = self.0.borrow();
        let peers = device.replica.peers(device.now);
        peers
            .into_iter()
            .map(|status| Peer { status, path: None, trouble: None, at_relay: BTreeMap::new() })
            .collect()
    }

    fn present(&self, id: WorkspaceId) -> Vec<Present> {
        self.0.borrow().replica.present(id)
    }

    fn syncs_by_itself(&self, id: WorkspaceId) -> bool {
        let records = self.0.borrow().replica.records();
        records.iter().all(|record| record.id != id || record.auto_sync)
    }

    fn addresses(&self) -> Vec<String> {
        self.0.borrow().addresses.clone()
    }

    fn troubles(&self) -> Vec<String> {
        self.0.borrow().troubles.clone()
    }

    fn refusals(&self) -> Vec<(WorkspaceId, String)> {
        self.0.borrow().refusals.clone()
    }

    fn owes_phrase(&self) -> bool {
        self.0.borrow().phrase.is_some()
    }

    fn keys(&self) -> Option<Keeping> {
        self.0.borrow().keys.clone()
    }

    fn name(&self) -> Option<String> {
        self.0.borrow().name.clone()
    }

    fn introduce(&mut self, name: &str) {
        self.0.borrow_mut().name = Some(name.to_owned());
    }

    fn new_id(&mut self) -> EntityId {
        self.0.borrow_mut().id()
    }

    fn send(&mut self, id: RequestId, request: Request) {
        let mut device = self.0.borrow_mut();
        let command = match request {
            Request::Replica(command) => {
                if let Command::Join { ticket, .. } = &command {
                    device.refusals.retain(|(workspace, _)| *workspace != ticket.workspace);
                }
                command
            }
            Request::Sample(workspace) => Command::Edit { workspace, changes: demo_board(workspace) },
            Request::AddRelay(workspace, line) => {
                let named = line.address.rsplit('/').next().and_then(|id| id.parse().ok());
                let Some(relay) = named else {
                    let result = Err(format!("\"{}\" names no relay", line.address));
                    return device.answers.push(Answer { request: id, result });
                };
                Command::AddRelay { workspace, relay, address: line.address, token: line.token }
            }
            Request::Recover(root, _) => Command::Recover { root },
            Request::Restore(workspace, key) => {
                let (shown, restore) = (device.workspace(workspace), [Change::Restore { key }]);
                let changes = history::with_contents(&shown, &restore, &|at| device.entry(workspace, at));
                Command::Edit { workspace, changes }
            }
            other => {
                let result = device.answered(other);
                return device.answers.push(Answer { request: id, result });
            }
        };
        device.handle(Input::Command { request: id, command });
    }

    fn answers(&mut self) -> Vec<Answer> {
        let mut device = self.0.borrow_mut();
        if device.pauses.get() < device.slow { Vec::new() } else { std::mem::take(&mut device.answers) }
    }

    fn arrived(&self) -> u64 {
        0
    }

    fn pause(&self) {
        let device = self.0.borrow();
        device.pauses.set(device.pauses.get() + 1);
    }

    fn preferences(&self) -> Preferences {
        self.0.borrow().preferences.clone()
    }

    fn keep_preferences(&mut self, preferences: &Preferences) {
        self.0.borrow_mut().preferences = preferences.clone();
    }
}
