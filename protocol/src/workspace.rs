//! The visible state of one workspace.
//!
//! [`Workspace::apply`] is given entries in causal order and keeps, for every entity, its registers
//! and what deletions listed ([`entity`]). Everything a screen asks for follows from these alone:
//! which entities are shown, what stands inside what ([`tree`]), and where people disagree
//! ([`conflict`]). Small indexes over those answers are kept in step, so that a question costs about
//! as much as its answer is long.
//!
//! **An entity is shown while it has a live value that no deletion listed.** So an edit made by
//! somebody who did not know of the deletion brings the entity back, on every device alike.
//!
//! What is absent: access rules, keys and the order of entries. Who calls has seen to them.

mod apply;
mod conflict;
mod difference;
pub(crate) mod entity;
mod query;
mod registers;
pub mod short_id;
pub(crate) mod tree;

pub use crate::store::EntryAt;
pub use conflict::{Conflict, ConflictValue};

use crate::{
    access::Role,
    codec,
    id::{DeviceId, EntityId, OpId, PersonId, WorkspaceId},
    keys::ciphers::Ciphers,
    log::Origin,
    model::{self, EntityKey, Field, Kind, Slot},
    op::VoidReason,
    register::{self, Lives, Register},
    roster::{Roster, Standing},
    snapshot::Layout,
    store::ChainNo,
    text::{TextEdit, TextVersion},
    time::Hlc,
    value::{Date, Element, Value},
};
use entity::{Entity, Stamp, shown_value};
use imbl::{OrdMap, OrdSet};
use std::sync::Arc;

/// What applying an entry did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entities whose state changed, in order, each once.
    pub changed: Vec<EntityKey>,
    /// Operations without effect, by index; index 0 if the whole body is void.
    pub void: Vec<(u16, VoidReason)>,
}

/// One chain of the log, as far as it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Chain {
    pub origin: Origin,
    pub applied: u64,
}

/// See the module. `Clone` is O(1): the maps are persistent (`imbl`), entities are behind `Arc`.
#[derive(Debug, Clone)]
pub struct Workspace {
    pub(crate) id: WorkspaceId,
    pub(crate) revision: u64,
    /// Not stored: who is in says it anew.
    pub(crate) needs_update: bool,
    pub(crate) newer_entries: u64,
    pub(crate) chains: OrdMap<ChainNo, Chain>,
    /// Entries that cannot be read for want of a key, by the first of consecutive positions: the last.
    pub(crate) locked: OrdMap<EntryAt, u64>,
    /// With which the others can be read. Not stored: the log gives them anew.
    pub(crate) ciphers: Ciphers,
    /// Whether something of it is not as the entries say, for want of reading them. Not stored, and
    /// neither is the rest then.
    pub(crate) is_behind: bool,
    /// Who is in. Not stored: the access rule says it anew.
    pub(crate) roster: Arc<Roster>,
    /// Own actions without effect because their author was out, and that can be posted again. Not
    /// stored: the log says it anew.
    pub(crate) void_work: usize,
    pub(crate) entities: OrdMap<EntityKey, Arc<Entity>>,
    /// Deleted entities that can be restored.
    pub(crate) deleted: OrdSet<EntityKey>,
    pub(crate) tree: tree::Tree,
    pub(crate) conflicts: conflict::Counts,
    pub(crate) short_ids: short_id::ShortIds,
    pub(crate) layout: Layout,
}

/// A task as a board, list or detail panel shows it.
#[derive(Debug, Clone, Copy)]
pub struct TaskView<'a> {
    /// Which.
    pub id: EntityId,
    /// One line.
    pub title: &'a str,
    /// Markdown.
    pub description: &'a str,
    /// Place in [`crate::model::task::PRIORITIES`].
    pub priority: i64,
    /// When work starts.
    pub start: Option<&'a Date>,
    /// When it must be done.
    pub due: Option<&'a Date>,
    /// Minutes.
    pub estimate: Option<i64>,
    /// When it was created, here or where it was imported from.
    pub created: Hlc,
    /// When it came into the column it stands in, if that column's category is done.
    pub completed: Option<Hlc>,
    /// Put away.
    pub archived: bool,
}

/// A person of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub person: PersonId,
    /// From the profile; the first digits of the id before it is known.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The devices that can act for them.
    pub devices: Vec<DeviceId>,
}

impl Workspace {
    /// An empty workspace.
    pub fn new(id: WorkspaceId) -> Self {
        Self {
            id,
            revision: 0,
            needs_update: false,
            newer_entries: 0,
            chains: OrdMap::new(),
            locked: OrdMap::new(),
            ciphers: Ciphers::default(),
            is_behind: false,
            roster: Arc::default(),
            void_work: 0,
            entities: OrdMap::new(),
            deleted: OrdSet::new(),
            tree: tree::Tree::default(),
            conflicts: conflict::Counts::default(),
            short_ids: short_id::ShortIds::default(),
            layout: Layout::default(),
        }
    }

    /// Which.
    pub fn id(&self) -> WorkspaceId {
        self.id
    }

    /// Counts applied entries; a view may cache by it.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether a control entry that this program cannot read may have an effect: nothing may be written
    /// until the program is updated.
    pub fn needs_update(&self) -> bool {
        self.needs_update
    }

    /// Notes whether a control entry that this program cannot read may have an effect.
    pub(crate) fn set_needs_update(&mut self, needs_update: bool) {
        self.needs_update = needs_update;
    }

    /// How many entries were "made with a newer version": kept and forwarded, not shown.
    pub fn newer_entries(&self) -> u64 {
        self.newer_entries
    }

    /// The position of the last applied entry of a chain, 0 if there is none.
    pub fn applied(&self, chain: ChainNo) -> u64 {
        self.chains.get(&chain).map_or(0, |chain| chain.applied)
    }

    /// Whose log a chain is; `None` before its first applied entry.
    pub fn author(&self, chain: ChainNo) -> Option<&Origin> {
        self.chains.get(&chain).map(|chain| &chain.origin)
    }

    fn person(&self, chain: ChainNo) -> PersonId {
        // Every live value came on a chain that was noted before it.
        self.author(chain).map_or(PersonId([0; 32]), |origin| origin.person)
    }

    pub(crate) fn entity(&self, key: EntityKey) -> Option<&Entity> {
        self.entities.get(&key).map(|entity| &**entity)
    }

    /// BLAKE3 over every live value, its author, whether it is deleted, and who is in: equal on peers that hold
    /// the same entries. Takes time in proportion to the whole state.
    pub fn state_hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("velo 2026 state hash");
        let mut bytes = Vec::new();
        for (key, entity) in &self.entities {
            bytes.clear();
            self.describe(*key, entity, &mut bytes);
            hasher.update(&bytes);
        }
        for (person, standing) in &self.roster.members {
            hasher.update(&person.0).update(&[standing.role as u8]);
            standing.devices.iter().for_each(|device| {
                hasher.update(&device.0);
            });
        }
        *hasher.finalize().as_bytes()
    }

    fn describe(&self, key: EntityKey, entity: &Entity, bytes: &mut Vec<u8>) {
        let by = |stamp: &Stamp| (stamp.op, stamp.hlc, self.person(stamp.chain));
        let created = entity.created.map(|(hlc, chain)| (hlc, self.person(chain)));
        let deleted = entity.deletion().map(by);
        if created.is_none() && deleted.is_none() && entity.lives().next().is_none() {
            return;
        }
        codec::encode_into(&(key, created, deleted), bytes);
        for (field, text) in entity.texts() {
            codec::encode_into(&(field, text.value()), bytes);
        }
        for register in entity.registers().filter(|register| !register.live().is_empty()) {
            codec::encode_into(&(register.field(), register.element(), register.live().len()), bytes);
            for live in register.live().iter() {
                let author = self.person(live.chain);
                codec::encode_into(&(live.op, live.hlc, author, live.listed, &live.value), bytes);
            }
        }
    }

    /// The value shown, `None` if unset or unknown.
    pub fn value(&self, key: EntityKey, slot: &Slot) -> Option<&Value> {
        self.entity(key)?.shown(slot.field, slot.element.as_ref())
    }

    /// A long text as it is now, to be edited from here.
    pub fn text_version(&self, key: EntityKey, field: Field) -> TextVersion {
        TextVersion::new((key, field), self.entity(key).and_then(|entity| entity.text(field)))
    }

    /// How long a long text is, and how long an edit makes it, in bytes.
    pub(crate) fn text_lengths(&self, key: EntityKey, field: Field, edit: &TextEdit) -> (usize, usize) {
        let text = self.entity(key).and_then(|entity| entity.text(field)).cloned().unwrap_or_default();
        let length = |value: &Value| value.as_text().map_or(0, str::len);
        let after = text.value_with((key, field), &[(OpId { entry: 0, index: 0 }, &edit.splices)]);
        (length(text.value()), length(&after))
    }

    /// The live values of one register; the first is the one shown. Of a long text they say only who edited
    /// it last, see [`crate::op::Op::Edit`].
    pub fn live(&self, key: EntityKey, slot: &Slot) -> Lives<'_> {
        let entity = self.entity(key);
        entity.map(|entity| entity.live(slot.field, slot.element.as_ref())).unwrap_or_default()
    }

    /// Whether an entity has any live value, shown or not.
    pub(crate) fn has_values(&self, key: EntityKey) -> bool {
        self.entity(key).is_some_and(Entity::has_values)
    }

    /// Every live operation of an entity, in any register: what a deletion lists.
    pub fn live_ops(&self, key: EntityKey) -> Vec<OpId> {
        self.entity(key).into_iter().flat_map(Entity::lives).map(|live| live.op).collect()
    }

    /// Every register of an entity that has live values, in order of slots.
    pub fn registers(&self, key: EntityKey) -> impl Iterator<Item = (Slot, Lives<'_>)> {
        let registers = self.entity(key).into_iter().flat_map(Entity::registers);
        let live = registers.filter(|register| !register.live().is_empty());
        live.map(|register| (register.slot(), register.live()))
    }

    /// Entries with operations on an entity, void ones included, in the order of application.
    pub fn touched(&self, key: EntityKey) -> Vec<EntryAt> {
        self.entity(key).map_or_else(Vec::new, |entity| entity.touched().iter().collect())
    }

    /// Whether it exists and is not deleted.
    pub fn is_shown(&self, key: EntityKey) -> bool {
        self.entity(key).is_some_and(Entity::is_shown)
    }

    /// Present elements of a set-like field, in order; of a map such as custom fields, those with a
    /// value. An element may refer to something that is deleted or not known.
    pub fn elements(&self, key: EntityKey, field: Field) -> Vec<&Element> {
        let set_like = register::is_set_like(key.kind, field);
        let present = |register: &&Register| {
            shown_value(register.live()).is_some_and(|value| !set_like || value.is_true())
        };
        let registers = self.entity(key).into_iter().flat_map(|entity| entity.elements(field));
        registers.filter(present).filter_map(Register::element).collect()
    }

    /// Text of a field, empty if unset.
    pub fn text(&self, key: EntityKey, field: Field) -> &str {
        let value = self.entity(key).and_then(|entity| entity.value(field));
        value.and_then(Value::as_text).unwrap_or_default()
    }

    /// When an entity was created, and by whom.
    pub fn created(&self, key: EntityKey) -> Option<(Hlc, PersonId)> {
        let (hlc, chain) = self.entity(key)?.created?;
        Some((hlc, self.person(chain)))
    }

    /// The workspace's name.
    pub fn name(&self) -> &str {
        let key = EntityKey::new(Kind::Workspace, model::workspace::entity_of(self.id));
        self.text(key, model::workspace::NAME)
    }

    /// How many entries cannot be read for want of a key.
    pub fn locked_entries(&self) -> u64 {
        self.locked.iter().map(|(first, last)| last - first.position + 1).sum()
    }

    /// What opens the bodies of the log.
    pub fn ciphers(&self) -> &Ciphers {
        &self.ciphers
    }

    /// Takes the ciphers of all keys that are held now.
    pub fn set_ciphers(&mut self, ciphers: Ciphers) {
        self.ciphers = ciphers;
    }

    /// Who is in, and who was.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Shows who is in now.
    pub fn set_roster(&mut self, roster: Roster) {
        self.roster = Arc::new(roster);
    }

    /// How many things that the person did on this device have no effect because they were out, and were
    /// neither posted again nor let go.
    pub fn void_work(&self) -> usize {
        self.void_work
    }

    /// Says so, for tests of what shows it.
    pub fn set_void_work(&mut self, count: usize) {
        self.void_work = count;
    }

    /// People with a role, by name.
    pub fn members(&self) -> Vec<Member> {
        let member = |(person, standing): (&PersonId, &Standing)| Member {
            person: *person,
            name: self.person_name(*person),
            role: standing.role,
            devices: standing.devices.clone(),
        };
        let mut members: Vec<_> = self.roster.members.iter().map(member).collect();
        members.sort_by(|a, b| (&a.name, a.person).cmp(&(&b.name, b.person)));
        members
    }

    /// The name shown for a person: from the profile, else the first digits of the id.
    pub fn person_name(&self, person: PersonId) -> String {
        match self.text(EntityKey::new(Kind::Profile, person.into()), model::profile::NAME) {
            "" => person.short(),
            name => name.to_owned(),
        }
    }
}
