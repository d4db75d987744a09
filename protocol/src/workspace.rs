//! The visible state of one workspace.

use crate::{
    id::{EntityId, EntryId, OpId, PersonId, WorkspaceId},
    log::{Header, Origin},
    model::{EntityKey, Kind, Slot},
    op::VoidReason,
    register::Live,
    store::ChainNo,
    time::Hlc,
    value::{Date, Value},
};

pub use crate::store::EntryAt;

/// What applying an entry did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entities whose state changed.
    pub changed: Vec<EntityKey>,
    /// Operations without effect, by index.
    pub void: Vec<(u16, VoidReason)>,
}

/// See the module. `Clone` is O(1): the maps are persistent (`imbl`), entities are behind `Arc`.
#[derive(Debug, Clone)]
pub struct Workspace {}

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
    /// When it was created.
    pub created: Hlc,
    /// When it came into the column it stands in, if that column's category is done.
    pub completed: Option<Hlc>,
    /// Put away.
    pub archived: bool,
}

/// A live value of a register, with who set it and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictValue {
    /// The operation that set it.
    pub op: OpId,
    /// The value.
    pub value: Value,
    /// Who.
    pub author: PersonId,
    /// When.
    pub hlc: Hlc,
}

/// A field with more than one concurrent value. Derived: whoever has the same entries sees the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Of what.
    pub key: EntityKey,
    /// Which register; [`crate::model::ALIVE`] for "deleted while you edited it".
    pub slot: Slot,
    /// The values; the first is shown.
    pub values: Vec<ConflictValue>,
}

/// A person of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub person: PersonId,
    /// From the profile; the first digits of the id before it is known.
    pub name: String,
    /// Devices that wrote or joined.
    pub devices: Vec<crate::id::DeviceId>,
}

impl Workspace {
    /// An empty workspace.
    pub fn new(_id: WorkspaceId) -> Self {
        todo!()
    }
    /// Which.
    pub fn id(&self) -> WorkspaceId {
        todo!()
    }
    /// Applies an entry. The caller gives entries in causal order, each once; entries of any kind.
    pub fn apply(
        &mut self,
        _origin: &Origin,
        _at: EntryAt,
        _id: EntryId,
        _header: &Header,
        _body: &[u8],
    ) -> Applied {
        todo!()
    }
    /// Counts applied entries; a view may cache by it.
    pub fn revision(&self) -> u64 {
        todo!()
    }
    /// BLAKE3 over everything visible: equal on peers that hold the same entries.
    pub fn state_hash(&self) -> [u8; 32] {
        todo!()
    }
    /// The value shown, `None` if unset or unknown.
    pub fn value(&self, _key: EntityKey, _slot: &Slot) -> Option<&Value> {
        todo!()
    }
    /// Whether it exists and is not deleted.
    pub fn is_shown(&self, _key: EntityKey) -> bool {
        todo!()
    }
    /// Every shown entity of a kind, by id.
    pub fn shown(&self, _kind: Kind) -> Box<dyn Iterator<Item = EntityId> + '_> {
        todo!()
    }
    /// The workspace's name.
    pub fn name(&self) -> &str {
        todo!()
    }
    /// Projects, in order.
    pub fn projects(&self) -> Vec<EntityId> {
        todo!()
    }
    /// Shown columns of a project, in order.
    pub fn columns(&self, _project: EntityId) -> Vec<EntityId> {
        todo!()
    }
    /// Shown tasks of a column, archived ones included, in order; those of hidden columns come
    /// with the project's first.
    pub fn tasks(&self, _column: EntityId) -> Vec<EntityId> {
        todo!()
    }
    /// Shown tasks that stand in no shown project.
    pub fn tasks_without_project(&self) -> Vec<EntityId> {
        todo!()
    }
    /// The column a task is shown in.
    pub fn column_of(&self, _task: EntityId) -> Option<EntityId> {
        todo!()
    }
    /// The project a task is shown in.
    pub fn project_of(&self, _task: EntityId) -> Option<EntityId> {
        todo!()
    }
    /// The parent, with cycles broken the same way on every device.
    pub fn parent_of(&self, _task: EntityId) -> Option<EntityId> {
        todo!()
    }
    /// Shown subtasks, in order.
    pub fn subtasks(&self, _task: EntityId) -> Vec<EntityId> {
        todo!()
    }
    /// Shown checklist items, in order.
    pub fn checklist(&self, _task: EntityId) -> Vec<EntityId> {
        todo!()
    }
    /// Shown comments, oldest first.
    pub fn comments(&self, _task: EntityId) -> Vec<EntityId> {
        todo!()
    }
    /// A shown task.
    pub fn task(&self, _id: EntityId) -> Option<TaskView<'_>> {
        todo!()
    }
    /// Present elements of a set-like field, in order.
    pub fn elements(&self, _key: EntityKey, _field: crate::model::Field) -> Vec<&crate::value::Element> {
        todo!()
    }
    /// Text of a field, empty if unset.
    pub fn text(&self, _key: EntityKey, _field: crate::model::Field) -> &str {
        todo!()
    }
    /// When an entity was created, and by whom.
    pub fn created(&self, _key: EntityKey) -> Option<(Hlc, PersonId)> {
        todo!()
    }
    /// Every conflict, by entity.
    pub fn conflicts(&self) -> Vec<Conflict> {
        todo!()
    }
    /// Conflicts of one entity.
    pub fn conflicts_of(&self, _key: EntityKey) -> Vec<Conflict> {
        todo!()
    }
    /// How many conflicts there are.
    pub fn conflict_count(&self) -> usize {
        todo!()
    }
    /// People, by name.
    pub fn members(&self) -> Vec<Member> {
        todo!()
    }
    /// The name shown for a person.
    pub fn person_name(&self, _person: PersonId) -> String {
        todo!()
    }
    /// Deleted entities that can be restored, latest first.
    pub fn deleted(&self, _kind: Kind) -> Vec<EntityId> {
        todo!()
    }
    /// The live values of one register; the first is the one shown.
    pub fn live(&self, _key: EntityKey, _slot: &Slot) -> &[Live] {
        todo!()
    }
    /// Every live operation of an entity, in any register: what a deletion lists.
    pub fn live_ops(&self, _key: EntityKey) -> Vec<OpId> {
        todo!()
    }
    /// Every register of an entity that has live values, in order of slots.
    pub fn registers(&self, _key: EntityKey) -> Box<dyn Iterator<Item = (Slot, &[Live])> + '_> {
        todo!()
    }
    /// What is shown directly inside an entity: a project's columns, a column's tasks, a task's
    /// subtasks, checklist, comments and attachments.
    pub fn children(&self, _key: EntityKey) -> Vec<EntityKey> {
        todo!()
    }
    /// Whose log a chain is; `None` before its first applied entry.
    pub fn author(&self, _chain: ChainNo) -> Option<&Origin> {
        todo!()
    }
    /// Entries with operations on an entity, void ones included, in the order of application.
    pub fn touched(&self, _key: EntityKey) -> Vec<EntryAt> {
        todo!()
    }
    /// The position of the last applied entry of a chain, 0 if there is none.
    pub fn applied(&self, _chain: ChainNo) -> u64 {
        todo!()
    }
    /// Whether a control entry of a kind this program does not know was applied: nothing may be
    /// written until the program is updated.
    pub fn needs_update(&self) -> bool {
        todo!()
    }
    /// How many entries were "made with a newer version": kept and forwarded, not shown.
    pub fn newer_entries(&self) -> u64 {
        todo!()
    }
}
