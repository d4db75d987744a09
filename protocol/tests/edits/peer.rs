//! A device without network, disk and signatures: it turns changes into entries and applies them.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};
use velo_protocol::{
    change::{self, Change, ChangeError},
    codec,
    history::{self, HistoryItem, LoggedEntry},
    id::{DeviceId, EntityId, EntryId, Incarnation, OpId, PersonId, WorkspaceId},
    log::{self, EntryKind, HEADER_VERSION, Header, Origin},
    log_set::{Body, Turn},
    model::{ALIVE, EntityKey, Field, FieldType, Kind, Slot, column, project, task},
    op::{DataBody, Group, Op, Reverts},
    store::{ChainNo, EntryAt},
    time::Hlc,
    undo::{Journal, Step},
    value::Value,
    workspace::Workspace,
};

const WORKSPACE: WorkspaceId = WorkspaceId([1; 32]);

#[derive(Clone)]
pub struct Peer {
    pub workspace: Workspace,
    pub journal: Journal,
    origin: Origin,
    chain: ChainNo,
    head: EntryId,
    position: u64,
    clock: u64,
    log: BTreeMap<EntryAt, (EntryId, LoggedEntry)>,
    /// In the order of application.
    order: Vec<EntryAt>,
    /// How many operations undo and redo read from the log.
    pub lookups: Cell<usize>,
}

impl Peer {
    /// Peers of one test have different numbers.
    pub fn new(number: u8) -> Self {
        let origin = Origin {
            person: PersonId([number + 1; 32]),
            device: DeviceId([number + 101; 32]),
            incarnation: Incarnation([number; 8]),
            founder: number == 0,
        };
        let mut peer = Self {
            workspace: Workspace::new(WORKSPACE),
            journal: Journal::default(),
            head: log::start_of(origin.log_id(WORKSPACE)),
            origin,
            chain: ChainNo(u32::from(number)),
            position: 0,
            clock: 1_000_000,
            log: BTreeMap::new(),
            order: Vec::new(),
            lookups: Cell::new(0),
        };
        let name = ["Anna", "Ben", "Carla"][usize::from(number)];
        let profile = EntityKey::new(Kind::Profile, peer.person().into());
        let fields = vec![(velo_protocol::model::profile::NAME.into(), Value::text(name))];
        let groups =
            change::build(&peer.workspace, &[Change::Create { key: profile, fields }], [1, 1]).unwrap();
        peer.append(EntryKind::PROFILE, &DataBody::new(groups));
        peer
    }

    pub fn person(&self) -> PersonId {
        self.origin.person
    }

    /// Makes changes, as one transaction. Returns the number of operations written.
    pub fn edit(&mut self, changes: &[Change]) -> Result<usize, ChangeError> {
        let read = |at| self.read(at);
        let changes = history::with_contents(&self.workspace, changes, &read);
        let suffix = [self.origin.device.0[0], 7];
        let groups = change::build(&self.workspace, &changes, suffix)?;
        let count = groups.iter().map(|group| group.ops.len()).sum();
        if count > 0 {
            self.write(groups, None);
        }
        Ok(count)
    }

    /// One change that must succeed.
    pub fn must(&mut self, change: Change) -> usize {
        self.edit(&[change]).unwrap()
    }

    /// Takes back the last own transaction; `None` if there is none.
    pub fn undo(&mut self) -> Option<Vec<String>> {
        let step = self.journal.next_undo()?;
        Some(self.revert(&step))
    }

    pub fn redo(&mut self) -> Option<Vec<String>> {
        let step = self.journal.next_redo()?;
        Some(self.revert(&step))
    }

    fn revert(&mut self, step: &Step) -> Vec<String> {
        let entries: Vec<_> = step
            .spans
            .iter()
            .flat_map(|span| {
                (span.first..=span.last).filter_map(|position| {
                    let (id, entry) = self.log.get(&EntryAt { chain: span.chain, position })?;
                    Some((id.prefix(), DataBody::read(&entry.body).ok()?))
                })
            })
            .collect();
        let lookup = |op| self.lookup(op);
        let reverted = self.journal.revert(&self.workspace, step, &entries, &lookup);
        self.write(reverted.groups, Some(step.reverts));
        reverted.kept
    }

    /// Writes operations as they are, as a dishonest device may.
    pub fn write(&mut self, groups: Vec<Group>, reverts: Option<Reverts>) {
        let mut bodies = change::pack(groups);
        if bodies.is_empty() {
            bodies.push(Vec::new());
        }
        let mut continues = None;
        for groups in bodies {
            let body = DataBody { continues, reverts, ..DataBody::new(groups) };
            let id = self.append(EntryKind::DATA, &body);
            continues = continues.or(Some(id.prefix()));
        }
    }

    fn append(&mut self, kind: EntryKind, body: &DataBody) -> EntryId {
        let bytes = codec::encode(body);
        self.clock += 1_000;
        let header = Header {
            version: HEADER_VERSION,
            kind,
            hlc: Hlc::from_ms(self.clock),
            auth: None,
            deps: Vec::new(),
            epoch: None,
            salt: [0; 8],
            body_len: u32::try_from(bytes.len()).unwrap(),
        };
        self.position += 1;
        self.head = log::entry_id(self.head, &codec::encode(&header), &bytes);
        let at = EntryAt { chain: self.chain, position: self.position };
        let entry = LoggedEntry { prefix: self.head.prefix(), origin: self.origin, header, body: bytes };
        if kind == EntryKind::DATA {
            self.journal.note(at, self.head.prefix(), body);
        }
        self.apply(at, self.head, entry);
        self.head
    }

    fn apply(&mut self, at: EntryAt, id: EntryId, entry: LoggedEntry) {
        let LoggedEntry { origin, header, body, .. } = &entry;
        let applied = self.workspace.apply(&Turn { at, id, origin, header, body: Body::Plain(body) }, None);
        assert_eq!(applied.void, [], "the author checks what receivers check");
        self.log.insert(at, (id, entry));
        self.order.push(at);
    }

    /// Takes over everything that `other` has.
    pub fn receive(&mut self, other: &Self) {
        for at in &other.order {
            if !self.log.contains_key(at) {
                let (id, entry) = other.log[at].clone();
                self.apply(*at, id, entry);
            }
        }
        self.clock = self.clock.max(other.clock);
    }

    pub fn read(&self, at: EntryAt) -> Option<LoggedEntry> {
        self.log.get(&at).map(|(_, entry)| entry.clone())
    }

    fn lookup(&self, op: OpId) -> Vec<(EntityKey, Op)> {
        self.lookups.update(|count| count + 1);
        let entry = self.log.values().find(|(_, entry)| entry.prefix == op.entry);
        let body = entry.and_then(|(_, entry)| DataBody::read(&entry.body).ok());
        let ops = body.iter().flat_map(DataBody::ops).filter(|(index, _, _)| *index == op.index);
        ops.map(|(_, key, op)| (key, op.clone())).collect()
    }

    pub fn history(&self, key: EntityKey) -> Vec<HistoryItem> {
        history::history(&self.workspace, key, &|at| self.read(at))
    }

    pub fn sentences(&self, key: EntityKey) -> Vec<String> {
        self.history(key).iter().map(|item| history::describe(&self.workspace, key, item)).collect()
    }

    /// Everything that a person sees: shown entities with their values, conflicting ones included.
    pub fn visible(&self) -> BTreeMap<EntityKey, BTreeMap<Slot, BTreeSet<Value>>> {
        let shown = Kind::all().flat_map(|kind| {
            self.workspace.shown(kind).map(move |id| EntityKey::new(kind, id)).collect::<Vec<_>>()
        });
        shown.map(|key| (key, self.values(key))).collect()
    }

    fn values(&self, key: EntityKey) -> BTreeMap<Slot, BTreeSet<Value>> {
        let mut all = BTreeMap::new();
        for (slot, live) in self.workspace.registers(key) {
            let absent = |value: &Value| {
                *value == Value::Unset || slot.element.is_some() && *value == Value::Bool(false)
            };
            let is_long = key.kind.field(slot.field).is_some_and(|spec| spec.ty == FieldType::LongText);
            let shown = self.workspace.value(key, &slot).into_iter();
            let values =
                shown.filter(|_| is_long).chain(live.iter().map(|live| &live.value).filter(|_| !is_long));
            let values: BTreeSet<Value> = values.filter(|value| !absent(value)).cloned().collect();
            if slot.field != ALIVE.field && !values.is_empty() {
                all.insert(slot, values);
            }
        }
        all
    }

    pub fn title(&self, id: EntityId) -> String {
        self.workspace.text(task_key(id), task::TITLE).to_owned()
    }
}

pub fn id(number: u8) -> EntityId {
    EntityId([number; 16])
}

pub fn task_key(id: EntityId) -> EntityKey {
    EntityKey::new(Kind::Task, id)
}

pub fn create(kind: Kind, number: u8, fields: &[(Field, Value)]) -> Change {
    let fields = fields.iter().map(|(field, value)| ((*field).into(), value.clone())).collect();
    Change::Create { key: EntityKey::new(kind, id(number)), fields }
}

pub fn new_project(number: u8) -> Change {
    create(Kind::Project, number, &[(project::NAME, Value::text(format!("Project {number}")))])
}

pub fn new_column(number: u8, project: u8) -> Change {
    let name = Value::text(format!("Column {number}"));
    create(Kind::Column, number, &[(column::NAME, name), (column::PROJECT, Value::Entity(id(project)))])
}

pub fn new_task(number: u8, column: u8) -> Change {
    let title = Value::text(format!("Task {number}"));
    create(Kind::Task, number, &[(task::TITLE, title), (task::COLUMN, Value::Entity(id(column)))])
}

pub fn set(kind: Kind, number: u8, field: Field, value: Value) -> Change {
    Change::Set { key: EntityKey::new(kind, id(number)), slot: field.into(), value }
}

pub fn rename(number: u8, title: &str) -> Change {
    set(Kind::Task, number, task::TITLE, Value::text(title))
}

pub fn place(kind: Kind, number: u8, container: Option<(Field, u8)>, after: Option<u8>) -> Change {
    Change::Place {
        key: EntityKey::new(kind, id(number)),
        container: container.map(|(field, number)| (field, id(number))),
        after: after.map(id),
    }
}

pub fn delete(kind: Kind, number: u8) -> Change {
    Change::Delete { key: EntityKey::new(kind, id(number)) }
}

pub fn restore(kind: Kind, number: u8) -> Change {
    Change::Restore { key: EntityKey::new(kind, id(number)) }
}

/// A peer with project 1, columns 2 and 3, and tasks 10, 11 and 12 in column 2.
pub fn board() -> Peer {
    let mut peer = Peer::new(0);
    let mut changes = vec![new_project(1), new_column(2, 1), new_column(3, 1)];
    changes.push(place(Kind::Column, 2, None, None));
    changes.push(place(Kind::Column, 3, None, Some(2)));
    for number in 10..13 {
        changes.push(new_task(number, 2));
        changes.push(place(Kind::Task, number, None, (number > 10).then(|| number - 1)));
    }
    peer.edit(&changes).unwrap();
    peer
}
