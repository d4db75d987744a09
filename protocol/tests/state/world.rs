//! Small random worlds, and an oracle that computes what must be visible from the whole set of
//! operations at once, with nothing but loops.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use velo_protocol::{
    access::Why,
    codec,
    id::{DeviceId, EntityId, EntryId, Incarnation, OpId, PersonId, WorkspaceId},
    log::{EntryKind, HEADER_VERSION, Header, Origin},
    log_set::{Body, Turn},
    model::{ALIVE, EntityKey, Field, Kind, Slot, column, comment, task},
    op::{DataBody, Group, Op, Reverts},
    register::Live,
    snapshot::PageNo,
    store::{ChainNo, EntryAt},
    time::Hlc,
    value::{Element, Value},
    workspace::Workspace,
};

pub const ID: WorkspaceId = WorkspaceId([7; 32]);

pub fn id(number: u8) -> EntityId {
    EntityId([number; 16])
}

pub fn key(kind: Kind, number: u8) -> EntityKey {
    EntityKey::new(kind, id(number))
}

pub fn origin(number: u8) -> Origin {
    Origin {
        person: PersonId([number; 32]),
        device: DeviceId([number + 100; 32]),
        incarnation: Incarnation([0; 8]),
        founder: number == 0,
    }
}

/// An entry before it has a place in a store.
#[derive(Debug, Clone)]
pub struct Written {
    pub author: u8,
    pub kind: EntryKind,
    pub prefix: u64,
    /// Sets apart entries whose prefixes collide.
    pub tail: u8,
    pub hlc: u64,
    /// Whether it says that it undoes something.
    pub undo: bool,
    pub groups: Vec<(EntityKey, Vec<Op>)>,
}

impl Written {
    pub fn op(&self, index: u16) -> OpId {
        OpId { entry: self.prefix, index }
    }

    pub fn entry_id(&self) -> EntryId {
        let mut bytes = [self.tail; 32];
        bytes[..8].copy_from_slice(&self.prefix.to_be_bytes());
        EntryId(bytes)
    }

    pub fn header(&self) -> Header {
        let hlc = Hlc(self.hlc);
        let (version, kind, salt) = (HEADER_VERSION, self.kind, [0; 8]);
        Header { version, kind, hlc, auth: None, deps: Vec::new(), epoch: None, salt, body_len: 0 }
    }

    pub fn body(&self) -> Vec<u8> {
        let groups = self.groups.iter().cloned().map(|(key, ops)| Group { key, ops });
        let reverts = self.undo.then_some(Reverts { transaction: 0, redo: false });
        codec::encode(&DataBody { reverts, ..DataBody::new(groups.collect()) })
    }
}

/// A peer: a state, and the numbers it gives to chains.
pub struct Peer {
    pub state: Workspace,
    chains: Vec<u8>,
    positions: BTreeMap<u32, u64>,
    /// What was applied, by place.
    log: BTreeMap<EntryAt, Written>,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            state: Workspace::new(ID),
            chains: Vec::new(),
            positions: BTreeMap::new(),
            log: BTreeMap::new(),
        }
    }
}

impl Peer {
    pub fn apply(&mut self, entry: &Written) -> velo_protocol::workspace::Applied {
        self.apply_as(entry, None)
    }

    /// Makes what an entry touched anew, by verdicts on all entries.
    pub fn rejudge(&mut self, entry: &Written, void: impl Fn(&Written) -> Option<Why>) {
        for (key, _) in &entry.groups {
            let touched = self.state.touched(*key).into_iter();
            let turns: Vec<_> = touched.map(|at| (at, self.log[&at].clone())).collect();
            let parts: Vec<_> = turns
                .iter()
                .map(|(at, entry)| (*at, entry, origin(entry.author), entry.header(), entry.body()))
                .collect();
            let turns = parts.iter().map(|(at, entry, origin, header, body)| {
                (Turn { at: *at, id: entry.entry_id(), origin, header, body: Body::Plain(body) }, void(entry))
            });
            self.state.rebuild(*key, turns);
        }
    }

    /// Applies what may be void.
    pub fn apply_as(&mut self, entry: &Written, void: Option<Why>) -> velo_protocol::workspace::Applied {
        let known = self.chains.iter().position(|author| *author == entry.author);
        let chain = known.unwrap_or_else(|| {
            self.chains.push(entry.author);
            self.chains.len() - 1
        });
        let position = self.positions.entry(chain as u32).or_default();
        *position += 1;
        let at = EntryAt { chain: ChainNo(chain as u32), position: *position };
        let (header, body) = (entry.header(), entry.body());
        let turn = Turn {
            at,
            id: entry.entry_id(),
            origin: &origin(entry.author),
            header: &header,
            body: Body::Plain(&body),
        };
        self.log.insert(at, entry.clone());
        self.state.apply(&turn, void)
    }

    pub fn applying<'a>(entries: impl IntoIterator<Item = &'a Written>) -> Self {
        let mut peer = Self::default();
        for entry in entries {
            peer.apply(entry);
        }
        peer
    }
}

/// What is on disk after some calls of `take_pages`.
#[derive(Default)]
pub struct Disk {
    pub pages: BTreeMap<PageNo, Vec<u8>>,
    pub meta: Vec<u8>,
}

impl Disk {
    pub fn write(&mut self, state: &mut Workspace) -> usize {
        let taken = state.take_pages();
        let count = taken.pages.len();
        self.pages.extend(taken.pages);
        self.meta = taken.meta;
        count
    }

    pub fn open(&self) -> Workspace {
        Workspace::from_pages(ID, &self.meta, self.pages.clone()).unwrap()
    }
}

fn op_id() -> impl Strategy<Value = OpId> {
    (0u64..14, 0u16..3).prop_map(|(entry, index)| OpId { entry, index })
}

fn names() -> impl Strategy<Value = Vec<OpId>> {
    prop::collection::vec(op_id(), 0..4)
}

fn reference(kind: Kind) -> impl Strategy<Value = Value> {
    let several = if kind == Kind::Task { 4u8 } else { 3 };
    prop_oneof![4 => (0..several).prop_map(|number| Value::Entity(id(number))), 1 => Just(Value::Unset)]
}

/// A register and a value for it; some values are void by the schema.
fn assignment(kind: Kind) -> BoxedStrategy<(Slot, Value)> {
    let alive = Just((Slot::from(ALIVE.field), Value::Bool(true)));
    match kind {
        Kind::Task => prop_oneof![
            alive,
            "[ab]?".prop_map(|text| (task::TITLE.into(), Value::text(text))),
            reference(Kind::Column).prop_map(|value| (task::COLUMN.into(), value)),
            reference(Kind::Task).prop_map(|value| (task::PARENT.into(), value)),
            (0u8..2, any::<bool>()).prop_map(|(label, present)| {
                (Slot::element(task::LABELS, Element::Entity(id(label))), Value::Bool(present))
            }),
            (0u8..2, 0i64..2).prop_map(|(field, number)| {
                (Slot::element(task::CUSTOM, Element::Entity(id(field))), Value::Int(number))
            }),
        ]
        .boxed(),
        Kind::Column => prop_oneof![
            alive,
            reference(Kind::Project).prop_map(|value| (column::PROJECT.into(), value)),
            (0i64..7).prop_map(|category| (column::CATEGORY.into(), Value::Int(category))),
        ]
        .boxed(),
        Kind::Comment => {
            prop_oneof![alive, reference(Kind::Task).prop_map(|value| (comment::TASK.into(), value))].boxed()
        }
        _ => alive.boxed(),
    }
}

fn group() -> impl Strategy<Value = (EntityKey, Vec<Op>)> {
    let kind = prop_oneof![
        6 => Just(Kind::Task), 2 => Just(Kind::Column), 2 => Just(Kind::Project), 1 => Just(Kind::Comment),
        1 => Just(Kind::Profile), 1 => Just(Kind::Unknown(99)),
    ];
    kind.prop_flat_map(|kind| {
        let set = (assignment(kind), names()).prop_map(|((slot, value), replaces)| Op::Set {
            slot,
            value,
            replaces,
        });
        let op = prop_oneof![5 => set, 1 => names().prop_map(|lists| Op::Delete { lists })];
        ((0u8..4).prop_map(move |number| key(kind, number)), prop::collection::vec(op, 1..3))
    })
}

fn written() -> impl Strategy<Value = Written> {
    let kind =
        prop_oneof![8 => Just(EntryKind::DATA), 1 => Just(EntryKind::PROFILE), 1 => Just(EntryKind::ACK)];
    // Few prefixes and stamps: they collide, and operations name what comes later.
    let groups = prop::collection::vec(group(), 1..3);
    (0u8..3, kind, 0u64..14, 0u64..6, any::<bool>(), groups).prop_map(
        |(author, kind, prefix, hlc, undo, groups)| Written {
            author,
            kind,
            prefix,
            tail: 0,
            hlc,
            undo,
            groups,
        },
    )
}

/// Any entries at all: operations name known, unknown, later, void and their own operations.
pub fn entries() -> impl Strategy<Value = Vec<Written>> {
    prop::collection::vec(written(), 1..16).prop_map(|mut entries| {
        for (tail, entry) in entries.iter_mut().enumerate() {
            entry.tail = tail as u8;
        }
        entries
    })
}

/// A live value without what differs between devices: stamp, operation, value, author, listed.
pub type Seen = (u64, OpId, Value, PersonId, bool);

struct Done<'a> {
    key: EntityKey,
    id: OpId,
    entry: &'a Written,
    op: &'a Op,
    effective: bool,
}

/// Everything visible, computed from all operations at once.
#[derive(Debug, Default, PartialEq)]
pub struct Oracle {
    pub live: BTreeMap<EntityKey, BTreeMap<Slot, Vec<Seen>>>,
    pub shown: BTreeSet<EntityKey>,
    pub cut: BTreeSet<EntityId>,
    pub conflicts: BTreeSet<(EntityKey, Slot)>,
}

impl Oracle {
    pub fn of(entries: &[Written]) -> Self {
        let all = operations(entries);
        let mut oracle = Self::default();
        let keys: BTreeSet<EntityKey> = all.iter().map(|done| done.key).collect();
        for key in keys {
            let own: Vec<&Done> = all.iter().filter(|done| done.key == key).collect();
            oracle.live.insert(key, live_of(&own));
        }
        oracle.live.retain(|_, registers| !registers.is_empty());
        let alive =
            oracle.live.iter().filter(|(_, registers)| registers.values().flatten().any(|seen| !seen.4));
        oracle.shown = alive.map(|(key, _)| *key).collect();
        oracle.cut_cycles();
        oracle.find_conflicts(&all);
        oracle.find_survived(&all);
        oracle
    }

    pub fn value(&self, key: EntityKey, field: Field) -> Option<&Value> {
        let seen = self.live.get(&key)?.get(&field.into())?.first()?;
        Some(&seen.2).filter(|value| **value != Value::Unset)
    }

    fn parent(&self, task: EntityId) -> Option<EntityId> {
        let key = EntityKey::new(Kind::Task, task);
        self.shown.contains(&key).then(|| self.value(key, task::PARENT)?.as_entity()).flatten()
    }

    fn cut_cycles(&mut self) {
        for number in 0..4 {
            let mut cycle = vec![id(number)];
            while let Some(next) = self.parent(cycle[cycle.len() - 1]) {
                if next == cycle[0] {
                    let rank = |task: &EntityId| {
                        let seen = &self.live[&EntityKey::new(Kind::Task, *task)][&task::PARENT.into()][0];
                        (seen.0, seen.1, *task)
                    };
                    let latest = cycle.iter().max_by_key(|task| rank(task)).copied();
                    self.cut.extend(latest);
                    break;
                }
                if cycle.len() > 4 {
                    break;
                }
                cycle.push(next);
            }
        }
    }

    fn find_conflicts(&mut self, all: &[Done]) {
        for key in &self.shown {
            for (slot, live) in &self.live[key] {
                let differ = live.iter().any(|seen| seen.2 != live[0].2);
                let cut =
                    key.kind == Kind::Task && *slot == task::PARENT.into() && self.cut.contains(&key.id);
                let told = key.kind.field(slot.field).unwrap().conflicts && differ;
                let told = told && self.can_choose(*key, slot, live);
                let deleted = *slot == ALIVE.field.into()
                    && live.iter().all(|seen| seen.4)
                    && all.iter().any(|done| {
                        done.key == *key && done.effective && matches!(done.op, Op::Delete { .. })
                    });
                if told || cut || deleted {
                    self.conflicts.insert((*key, slot.clone()));
                }
            }
        }
    }

    /// Hidden by a deletion, with something inside that is not.
    fn find_survived(&mut self, all: &[Done]) {
        let deletes = |done: &Done| done.effective && matches!(done.op, Op::Delete { .. });
        let went = |key| {
            let hidden = self.live.contains_key(&key) && !self.shown.contains(&key);
            hidden && all.iter().any(|done| done.key == key && deletes(done))
        };
        let names = |key, field| self.value(key, field)?.as_entity();
        let containers = self.shown.iter().filter_map(|key| match key.kind {
            Kind::Column => Some(EntityKey::new(Kind::Project, names(*key, column::PROJECT)?)),
            Kind::Comment => Some(EntityKey::new(Kind::Task, names(*key, comment::TASK)?)),
            Kind::Task => {
                let column = EntityKey::new(Kind::Column, names(*key, task::COLUMN)?);
                Some(EntityKey::new(Kind::Project, names(column, column::PROJECT)?))
            }
            _ => None,
        });
        let found = containers.filter(|key| went(*key)).map(|key| (key, Slot::from(ALIVE.field)));
        let found: Vec<_> = found.collect();
        self.conflicts.extend(found);
    }

    /// Whether there are two places to choose from: where the task is, and where it would be shown.
    fn can_choose(&self, task: EntityKey, slot: &Slot, live: &[Seen]) -> bool {
        let shown =
            |kind, id: Option<EntityId>| id.is_some_and(|id| self.shown.contains(&EntityKey::new(kind, id)));
        let (now, stands): (_, Box<dyn Fn(EntityId) -> bool>) = if *slot == task::COLUMN.into() {
            let project = |id| self.value(EntityKey::new(Kind::Column, id), column::PROJECT)?.as_entity();
            let stands = move |id| shown(Kind::Column, Some(id)) && shown(Kind::Project, project(id));
            (self.column_of(task.id), Box::new(stands))
        } else if *slot == task::PARENT.into() {
            let followed = |id: &EntityId| shown(Kind::Task, Some(*id)) && !self.cut.contains(&task.id);
            let above = |id: &EntityId| {
                let parent = self.parent(*id)?;
                (shown(Kind::Task, Some(parent)) && !self.cut.contains(id)).then_some(parent)
            };
            let outside = move |id| !std::iter::successors(Some(id), above).take(100).any(|id| id == task.id);
            let stands = move |id| shown(Kind::Task, Some(id)) && outside(id);
            (self.parent(task.id).filter(followed), Box::new(stands))
        } else {
            return true;
        };
        let others = live[1..].iter().map(|seen| seen.2.as_entity());
        others.filter(|other| other.is_none_or(&stands)).any(|other| other != now)
    }

    /// The column a task is shown in, by the rule's own words.
    pub fn column_of(&self, task: EntityId) -> Option<EntityId> {
        let key_of = EntityKey::new;
        let task = key_of(Kind::Task, task);
        if !self.shown.contains(&task) {
            return None;
        }
        let column = key_of(Kind::Column, self.value(task, task::COLUMN)?.as_entity()?);
        let project_of = |column| self.value(column, column::PROJECT)?.as_entity();
        let project = project_of(column)?;
        if !self.shown.contains(&key_of(Kind::Project, project)) {
            return None;
        }
        let mut columns = self.shown.iter().filter(|key| key.kind == Kind::Column);
        if self.shown.contains(&column) {
            return Some(column.id);
        }
        columns.find(|key| project_of(**key) == Some(project)).map(|key| key.id)
    }
}

fn operations(entries: &[Written]) -> Vec<Done<'_>> {
    let mut all = Vec::new();
    for entry in entries.iter().filter(|entry| entry.kind != EntryKind::ACK) {
        let own = EntityId::from(PersonId([entry.author; 32]));
        let ops = entry.groups.iter().flat_map(|(key, ops)| ops.iter().map(move |op| (*key, op)));
        for (index, (key, op)) in ops.enumerate() {
            if matches!(key.kind, Kind::Unknown(_)) {
                continue;
            }
            let profile = key.kind == Kind::Profile;
            let allowed = match entry.kind {
                EntryKind::PROFILE => profile && key.id == own,
                _ => !profile,
            };
            let effective = allowed && velo_protocol::op::check(key, op).is_ok();
            all.push(Done { key, id: entry.op(index as u16), entry, op, effective });
        }
    }
    all
}

/// Everything that `names` names, directly or through void operations on the same entity.
fn closure(own: &[&Done], names: &[OpId]) -> BTreeSet<OpId> {
    let mut all: BTreeSet<OpId> = names.iter().copied().collect();
    loop {
        let through = own.iter().filter(|done| !done.effective && all.contains(&done.id));
        let more: BTreeSet<OpId> = through.flat_map(|done| done.op.names()).copied().collect();
        if more.is_subset(&all) {
            return all;
        }
        all.extend(more);
    }
}

fn live_of(own: &[&Done]) -> BTreeMap<Slot, Vec<Seen>> {
    let mut named: BTreeMap<Slot, BTreeSet<OpId>> = BTreeMap::new();
    let mut listed = BTreeSet::new();
    for done in own.iter().filter(|done| done.effective) {
        let all = closure(own, done.op.names());
        match done.op {
            Op::Set { slot, .. } => named.entry(slot.clone()).or_default().extend(all),
            Op::Edit { field, .. } => named.entry(Slot::from(*field)).or_default().extend(all),
            Op::Delete { .. } => listed.extend(all),
        }
    }
    let mut live: BTreeMap<Slot, Vec<Seen>> = BTreeMap::new();
    for done in own.iter().filter(|done| done.effective) {
        if let Op::Set { slot, value, .. } = done.op
            && !named[slot].contains(&done.id)
        {
            let author = PersonId([done.entry.author; 32]);
            let seen = (done.entry.hlc, done.id, value.clone(), author, listed.contains(&done.id));
            live.entry(slot.clone()).or_default().push(seen);
        }
    }
    for (slot, values) in &mut live {
        let present = |seen: &Seen| slot.field == task::LABELS && slot.element.is_some() && seen.2.is_true();
        values.sort_by(|a, b| (present(b), b).cmp(&(present(a), a)));
    }
    live
}

/// What a state shows, in the words of the oracle.
pub fn observe(state: &Workspace) -> Oracle {
    let mut seen = Oracle::default();
    let all = Kind::all().flat_map(|kind| (0..4).map(move |number| key(kind, number)));
    let profiles = (0..3).map(|author| EntityKey::new(Kind::Profile, PersonId([author; 32]).into()));
    for key in all.chain(profiles) {
        let person = |live: &Live| state.author(live.chain).unwrap().person;
        let one = |live: &Live| (live.hlc.0, live.op, live.value.clone(), person(live), live.listed);
        let registers: BTreeMap<Slot, Vec<Seen>> =
            state.registers(key).map(|(slot, live)| (slot, live.iter().map(one).collect())).collect();
        if !registers.is_empty() {
            seen.live.insert(key, registers);
        }
        if state.is_shown(key) {
            seen.shown.insert(key);
        }
        let parent = state.value(key, &task::PARENT.into()).and_then(Value::as_entity);
        if key.kind == Kind::Task
            && state.is_shown(key)
            && parent.is_some_and(|parent| state.is_shown(EntityKey::new(Kind::Task, parent)))
            && state.parent_of(key.id).is_none()
        {
            seen.cut.insert(key.id);
        }
    }
    seen.conflicts = state.conflicts().into_iter().map(|conflict| (conflict.key, conflict.slot)).collect();
    seen
}
