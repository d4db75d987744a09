//! The workload that every figure of Velo is measured on: one seeded trace.
//!
//! Ten devices of five people work in 40 projects: they create tasks, comment, edit titles and
//! descriptions, move, label and assign. Two devices at a time work without seeing each other, then
//! everybody catches up, so the logs carry real dependencies and real conflicts. A tenth of the
//! operations' number is that of the tasks. Texts have lengths as people write them.
//!
//! Sizes scale: [`generate`] makes a trace of about as many operations as asked for.

use crate::{
    access::Role,
    causality::Frontier,
    change::{self, Change},
    codec,
    control::{CONTROL_VERSION, Genesis, Invite, Join, Link},
    crypto::PublicKey,
    dice::Dice,
    id::{EntityId, EntryId, Incarnation, PersonId, WorkspaceId},
    keys::{
        epoch::KeyEpoch,
        ring::{KeyRing, Rotation},
    },
    log::{ChainEnd, EntryKind, HEADER_VERSION, Header, Origin, RunWriter},
    log_set::{Body, LogSet, Taken, Turn},
    members::Members,
    model::{self, EntityKey, Kind},
    op::{DataBody, has_data_body},
    replica::{Identity, Way, WorkspaceRecord},
    store::{Batch, EntryAt, StoreError},
    ticket::{SessionSecret, Ticket},
    time::Hlc,
    value::{OrderKey, Value},
    workspace::Workspace,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use team::create;

mod team;

/// Devices that write.
pub const DEVICES: usize = 10;
/// Projects.
pub const PROJECTS: usize = 40;
const COLUMNS: [(&str, i64); 5] = [("Backlog", 0), ("Todo", 1), ("Doing", 2), ("Review", 2), ("Done", 3)];
const LABELS: usize = 24;
const EPOCH_MS: u64 = 1_767_225_600_000;
/// Actions of one device before everybody catches up.
const BURST: usize = 40;

/// What was generated.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The first device's record of the workspace; it may go on writing.
    pub record: WorkspaceRecord,
    /// Who the first device is.
    pub identity: Identity,
    /// Operations in all logs.
    pub operations: u64,
    /// Entries in all logs.
    pub entries: u64,
    /// Bytes of headers and bodies.
    pub bytes: u64,
    /// The visible state that everybody must reach.
    pub state: Workspace,
}

struct Writer {
    identity: Identity,
    origin: Origin,
    key: PublicKey,
    past: Frontier,
    stamp: Hlc,
    /// What its person's role rests on, once it has one.
    grant: Option<EntryId>,
    /// What its last entry rests on.
    cited: Option<EntryId>,
}

struct Generator<'a> {
    dice: Dice,
    workspace: WorkspaceId,
    writers: Vec<Writer>,
    logs: LogSet,
    members: Members,
    state: Workspace,
    invite: Option<EntryId>,
    /// The one epoch under which everything is written, and its key.
    epoch: Option<EntryId>,
    ring: KeyRing,
    clock_ms: u64,
    columns: Vec<EntityId>,
    labels: Vec<EntityId>,
    tasks: Vec<EntityId>,
    last_order: Option<OrderKey>,
    operations: u64,
    entries: u64,
    bytes: u64,
    sink: &'a mut dyn FnMut(Batch) -> Result<(), StoreError>,
}

/// Makes a trace of about `operations` operations. Batches go to `sink` in the order in which they
/// were written, ready for [`crate::store::LogStore::append`].
pub fn generate(
    seed: u64,
    operations: u64,
    sink: &mut dyn FnMut(Batch) -> Result<(), StoreError>,
) -> Result<Trace, StoreError> {
    let mut dice = Dice::new(seed);
    let writers = writers(&mut dice);
    let (record, genesis) = founding(&mut dice, &writers);
    let secrets = writers.first().map(|writer| writer.identity.receiving.clone());
    let ring = KeyRing::new(record.id, secrets.into_iter().collect());
    let mut generator = Generator {
        dice,
        workspace: record.id,
        writers,
        logs: LogSet::new(record.id),
        members: Members::new(record.id),
        invite: None,
        epoch: None,
        ring,
        state: Workspace::new(record.id),
        clock_ms: EPOCH_MS,
        columns: Vec::new(),
        labels: Vec::new(),
        tasks: Vec::new(),
        last_order: None,
        operations: 0,
        entries: 0,
        bytes: 0,
        sink,
    };
    generator.introduce(&genesis)?;
    generator.furnish()?;
    while generator.operations < operations {
        generator.round()?;
    }
    let Generator { writers, state, operations, entries, bytes, .. } = generator;
    let identity = writers.into_iter().next().map(|writer| writer.identity);
    let identity = identity.ok_or_else(|| StoreError::Write("no devices".into()))?;
    Ok(Trace { record, identity, operations, entries, bytes, state })
}

fn writers(dice: &mut Dice) -> Vec<Writer> {
    let roots: Vec<[u8; 32]> = (0..DEVICES / 2).map(|_| dice.bytes()).collect();
    let writer = |(number, root): (usize, &[u8; 32])| {
        let identity = Identity::from_seeds(*root, &dice.bytes());
        let mut incarnation = [0; 8];
        incarnation.copy_from_slice(&dice.bytes()[..8]);
        let origin = Origin {
            person: identity.person,
            device: identity.device_id(),
            incarnation: Incarnation(incarnation),
            founder: number == 0,
        };
        let key = PublicKey::parse(&identity.device.public()).ok()?;
        let (past, stamp) = (Frontier::default(), Hlc(0));
        Some(Writer { identity, origin, key, past, stamp, grant: None, cited: None })
    };
    (0..DEVICES).zip(roots.iter().cycle()).filter_map(writer).collect()
}

fn founding(dice: &mut Dice, writers: &[Writer]) -> (WorkspaceRecord, Vec<u8>) {
    let founder = writers.first().map(|writer| writer.identity.introduction());
    let secret = SessionSecret(dice.bytes());
    let version = CONTROL_VERSION;
    let genesis = founder.map(|founder| Genesis { version, founder, session: secret.commitment() });
    let body = genesis.map(|genesis| codec::encode(&genesis)).unwrap_or_default();
    let mut header = header(EntryKind::GENESIS, Hlc::from_ms(EPOCH_MS), Vec::new());
    header.body_len = body.len() as u32;
    let origin = writers.first().map_or(
        Origin {
            person: PersonId([0; 32]),
            device: crate::id::DeviceId([0; 32]),
            incarnation: Incarnation([0; 8]),
            founder: true,
        },
        |writer| writer.origin,
    );
    let id = origin.workspace_id(&codec::encode(&header), &body);
    (WorkspaceRecord::new(id, secret, origin, Way::Founded), body)
}

fn header(kind: EntryKind, hlc: Hlc, deps: Vec<EntryId>) -> Header {
    Header { version: HEADER_VERSION, kind, hlc, auth: None, deps, epoch: None, salt: [0; 8], body_len: 0 }
}

/// A device in the middle of writing.
#[derive(Default)]
struct Pen {
    deps: Vec<EntryId>,
    run: Option<RunWriter>,
    /// Entries in `run`.
    pushed: u64,
    batch: Batch,
}

impl Generator<'_> {
    /// Every device's first entry, and every person's name.
    fn introduce(&mut self, genesis: &[u8]) -> Result<(), StoreError> {
        let ticket = self.ticket();
        for number in 0..self.writers.len() {
            let first = self.first_entry(number, genesis, &ticket);
            let Some((writer, (kind, body))) = self.writers.get(number).zip(first) else { continue };
            let key = EntityKey::new(Kind::Profile, EntityId::from(writer.identity.person));
            let name = Value::text(NAMES.get(number % NAMES.len()).copied().unwrap_or("Person"));
            let profile = Change::Create { key, fields: vec![(model::profile::NAME.into(), name)] };
            let profile = self.body(&self.state.clone(), &[profile])?;
            let deps = self.deps(number);
            self.write(number, deps, vec![(kind, body)])?;
            if number == 0 {
                let epoch = self.key_epoch(&ticket);
                let invite = (EntryKind::INVITE, invite_body(&ticket));
                self.write(number, Vec::new(), vec![(EntryKind::KEY_EPOCH, epoch), invite])?;
            }
            self.write(number, Vec::new(), vec![(EntryKind::PROFILE, profile)])?;
        }
        self.state.set_roster(self.members.roster());
        Ok(())
    }

    /// A key for everybody who will come.
    fn key_epoch(&mut self, ticket: &Ticket) -> Vec<u8> {
        let people = self.writers.iter().map(|writer| &writer.identity);
        let keys = people.flat_map(|person| [person.receiving.public(), person.recovery.key]);
        let keys = keys.chain([ticket.receiving().public()]).collect();
        let Rotation { key, body } = self.ring.rotate(&keys, &mut ChaCha20Rng::from_seed(self.dice.bytes()));
        self.ring.learn(key);
        codec::encode(&body)
    }

    /// What all of them join with.
    fn ticket(&mut self) -> Ticket {
        let (seed, workspace) = (self.dice.bytes(), self.workspace);
        let inviter = self.writers.first().map_or(PersonId([0; 32]), |writer| writer.identity.person);
        let (invite, secret, expires_ms) = (EntryId([0; 32]), SessionSecret([0; 32]), u64::MAX);
        Ticket { workspace, invite, seed, secret, inviter, expires_ms, addresses: Vec::new() }
    }

    /// The founder's first device founds, those of the others join, and second devices are linked.
    fn first_entry(
        &mut self,
        number: usize,
        genesis: &[u8],
        ticket: &Ticket,
    ) -> Option<(EntryKind, Vec<u8>)> {
        let known = self.writers.get(number.checked_sub(DEVICES / 2).unwrap_or(number))?.grant;
        let (workspace, invite) = (self.workspace, self.invite);
        let writer = self.writers.get_mut(number)?;
        writer.grant = known;
        let version = CONTROL_VERSION;
        Some(match (number, known, invite) {
            (0, ..) => (EntryKind::GENESIS, genesis.to_vec()),
            (_, None, Some(invite)) => {
                let (key, who) = (ticket.invite_key(), writer.identity.introduction());
                let join = Join::new(workspace, invite, &key, &writer.origin, who);
                (EntryKind::JOIN, codec::encode(&join))
            }
            _ => {
                let link = Link { version, chain: writer.identity.chain.clone() };
                (EntryKind::LINK, codec::encode(&link))
            }
        })
    }

    fn furnish(&mut self) -> Result<(), StoreError> {
        let mut changes = Vec::new();
        for _ in 0..LABELS {
            let id = self.entity();
            self.labels.push(id);
            changes.push(create(Kind::Label, id, vec![(model::label::NAME.into(), self.words(1, 2))]));
        }
        for number in 0..PROJECTS {
            let project = self.entity();
            let name = Value::text(format!("Project {number}"));
            changes.push(create(Kind::Project, project, vec![(model::project::NAME.into(), name)]));
            let mut order = None;
            for (name, category) in COLUMNS {
                let column = self.entity();
                self.columns.push(column);
                order = Some(OrderKey::between(order.as_ref(), None, [1, 1]));
                let fields = vec![
                    (model::column::NAME.into(), Value::text(name)),
                    (model::column::PROJECT.into(), Value::Entity(project)),
                    (model::column::ORDER.into(), order.clone().map_or(Value::Unset, Value::Order)),
                    (model::column::CATEGORY.into(), Value::Int(category)),
                ];
                changes.push(create(Kind::Column, column, fields));
            }
        }
        let view = self.state.clone();
        let bodies = self.bodies(&view, &changes)?;
        let deps = self.deps(0);
        self.write(0, deps, bodies.into_iter().map(|body| (EntryKind::DATA, body)).collect())
    }

    /// Two devices work without seeing each other.
    fn round(&mut self) -> Result<(), StoreError> {
        let first = self.dice.below(DEVICES as u64) as usize;
        let second = (first + 1 + self.dice.below(DEVICES as u64 - 1) as usize) % DEVICES;
        let known = self.tasks.len();
        let view = self.state.clone();
        let deps = [self.deps(first), self.deps(second)];
        for (number, deps) in [first, second].into_iter().zip(deps) {
            self.burst(number, view.clone(), known, deps)?;
        }
        Ok(())
    }

    fn burst(
        &mut self,
        number: usize,
        mut view: Workspace,
        known: usize,
        deps: Vec<EntryId>,
    ) -> Result<(), StoreError> {
        let mut pen = Pen { deps, ..Pen::default() };
        let mut made = Vec::new();
        for _ in 0..BURST {
            let changes = self.action(known, &mut made);
            let body = self.body(&view, &changes)?;
            if let Some((at, id, header)) = self.put(number, &mut pen, EntryKind::DATA, &body)?
                && let Some(writer) = self.writers.get(number)
            {
                view.apply(
                    &Turn { at, id, origin: &writer.origin, header: &header, body: Body::Plain(&body) },
                    None,
                );
            }
        }
        self.tasks.extend(made);
        self.finish(number, pen)
    }

    fn body(&mut self, view: &Workspace, changes: &[Change]) -> Result<Vec<u8>, StoreError> {
        Ok(self
            .bodies(view, changes)?
            .into_iter()
            .next()
            .unwrap_or_else(|| codec::encode(&DataBody::new(Vec::new()))))
    }

    fn bodies(&mut self, view: &Workspace, changes: &[Change]) -> Result<Vec<Vec<u8>>, StoreError> {
        let groups =
            change::build(view, changes, [1, 1]).map_err(|error| StoreError::Write(error.to_string()))?;
        self.operations += groups.iter().map(|group| group.ops.len() as u64).sum::<u64>();
        Ok(change::pack(groups).into_iter().map(|groups| codec::encode(&DataBody::new(groups))).collect())
    }

    fn deps(&mut self, number: usize) -> Vec<EntryId> {
        let Some(writer) = self.writers.get_mut(number) else { return Vec::new() };
        let heads = self.logs.news(writer.origin.log_id(self.workspace), &writer.past, |_, end| end);
        writer.past = self.logs.past(&heads, std::mem::take(&mut writer.past));
        heads.iter().filter_map(|at| self.logs.id_at(*at)).collect()
    }

    fn write(
        &mut self,
        number: usize,
        deps: Vec<EntryId>,
        entries: Vec<(EntryKind, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        let mut pen = Pen { deps, ..Pen::default() };
        for (kind, body) in entries {
            self.put(number, &mut pen, kind, &body)?;
        }
        self.finish(number, pen)
    }

    /// Appends one entry to a device's log. Returns where it stands, its id and its header.
    fn put(
        &mut self,
        number: usize,
        pen: &mut Pen,
        kind: EntryKind,
        body: &[u8],
    ) -> Result<Option<(EntryAt, EntryId, Header)>, StoreError> {
        if pen.run.as_ref().is_some_and(RunWriter::is_full) {
            self.seal(number, pen);
        }
        let Some(writer) = self.writers.get_mut(number) else { return Ok(None) };
        let log = writer.origin.log_id(self.workspace);
        let chain = self.logs.open_own(writer.origin, writer.key);
        let end = self.logs.chain(chain).map_or_else(|| ChainEnd::start(log), |chain| chain.end);
        self.clock_ms += 400;
        writer.stamp = match self.entries {
            0 => Hlc::from_ms(EPOCH_MS),
            _ => Hlc::next(self.clock_ms, writer.stamp, []),
        };
        let mut header = header(kind, writer.stamp, std::mem::take(&mut pen.deps));
        let rests_on = if kind == EntryKind::JOIN { self.invite } else { writer.grant };
        header.auth = rests_on.filter(|_| rests_on != writer.cited);
        writer.cited = rests_on;
        let run = pen.run.get_or_insert_with(|| RunWriter::new(log, writer.origin, end));
        let failed = |error: &dyn std::fmt::Display| StoreError::Write(error.to_string());
        let id = match self
            .epoch
            .filter(|_| has_data_body(kind))
            .zip(self.epoch.and_then(|epoch| self.ring.cipher(epoch)))
        {
            None => run.push(header.clone(), body).map_err(|error| failed(&error))?,
            Some((epoch, cipher)) => {
                header.epoch = Some(epoch);
                let sealed =
                    cipher.seal(log, run.head().id, &mut header, body).map_err(|error| failed(&error))?;
                run.push(header.clone(), &sealed).map_err(|error| failed(&error))?
            }
        };
        let at = EntryAt { chain, position: end.head.position + pen.pushed + 1 };
        match kind {
            EntryKind::GENESIS | EntryKind::JOIN => writer.grant = Some(id),
            EntryKind::INVITE => self.invite = Some(id),
            EntryKind::KEY_EPOCH => {
                let epoch = KeyEpoch::read(body).map_err(|error| failed(&error))?;
                self.ring.add_epoch(id, &epoch, true);
                self.state.set_ciphers(self.ring.ciphers());
                self.epoch = Some(id);
            }
            _ => {}
        }
        pen.pushed += 1;
        self.entries += 1;
        Ok(Some((at, id, header)))
    }

    /// Seals what a device wrote, and lets everybody see it.
    fn seal(&mut self, number: usize, pen: &mut Pen) {
        let (Some(run), Some(writer)) = (pen.run.take(), self.writers.get(number)) else { return };
        let Some(run) = run.seal(self.workspace, &writer.identity.device) else { return };
        pen.pushed = 0;
        let chain = self.logs.open_own(writer.origin, writer.key);
        self.bytes += run.run().bytes.len() as u64;
        self.logs.take_own(chain, &run);
        while let Some(next) = self.logs.next_own(chain, &run) {
            let contents = next.open(self.state.ciphers());
            let turn = next.turn(&writer.origin, &contents);
            let judged = self.members.note(&self.logs, &turn);
            self.state.apply(&turn, judged.void);
        }
        pen.batch.runs.extend(self.logs.batch_run(&Taken { chain, run, forked: false }));
    }

    fn finish(&mut self, number: usize, mut pen: Pen) -> Result<(), StoreError> {
        self.seal(number, &mut pen);
        (self.sink)(pen.batch)
    }
}

fn invite_body(ticket: &Ticket) -> Vec<u8> {
    let (key, receiving) = (ticket.invite_key().public(), ticket.receiving().public());
    let (version, role, expires_ms) = (CONTROL_VERSION, Role::Member, ticket.expires_ms);
    codec::encode(&Invite { version, key, receiving, role, expires_ms, single_use: false })
}

const NAMES: &[&str] = &["Anna", "Ben", "Chi", "Dara", "Emil"];
