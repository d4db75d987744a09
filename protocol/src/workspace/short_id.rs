//! Short ids of tasks, such as `VELO-42`: the name that people say aloud, write on a note and type.
//!
//! A name must go on naming what it named. So a task is given its short id once, by the device that
//! creates it, as the text of its register [`task::SHORT_ID`]. Two devices that have not seen each
//! other's tasks give the same one to two tasks. Then neither has it alone any more: both are shown
//! with letters made from the task's own id (`VELO-42kd`), and what was written down before,
//! `VELO-42`, finds both. Nothing but people refers to a task by its short id.
//!
//! The index below finds tasks by their text. It only grows: what it names is looked at again.

use super::Workspace;
use crate::{
    id::EntityId,
    model::{EntityKey, Kind, task},
    op::{Group, Op},
};
use imbl::OrdSet;

/// Most letters before the number.
pub const PREFIX_CHARS: usize = 16;
/// Most digits of a number.
const DIGITS: usize = 9;
/// Fewest letters that tell two tasks with one id apart. Two make it rare that a third task needs
/// those shown to be longer.
const MIN_TAG: usize = 2;
/// Letters there are for that; with all of them a clash would have to be made on purpose.
const TAG: usize = 12;

/// The prefix and the number of `VELO-42`. `None` for what is no short id, which a peer may have
/// written.
pub fn parts(text: &str) -> Option<(&str, u64)> {
    let (prefix, digits) = text.rsplit_once('-')?;
    let prefix_fits = !prefix.is_empty() && prefix.chars().count() <= PREFIX_CHARS;
    let digits_fit = (1..=DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let fits = prefix_fits && prefix.chars().all(char::is_alphanumeric) && digits_fit;
    (fits && !digits.starts_with('0')).then_some(())?;
    Some((prefix, digits.parse().ok()?))
}

/// Letters that are this task's own, whatever other tasks there are.
fn tag(id: EntityId) -> String {
    let letter = |byte: &u8| char::from(b'a' + byte % 26);
    blake3::hash(id.as_bytes()).as_bytes().iter().take(TAG).map(letter).collect()
}

/// Tasks by the hash of a short id that they were given, in small letters.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShortIds(OrdSet<(u64, EntityId)>);

fn hash(text: &str) -> u64 {
    let hash = blake3::hash(text.to_lowercase().as_bytes());
    hash.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

impl ShortIds {
    pub(crate) fn new<'a>(given: impl Iterator<Item = (&'a str, EntityId)>) -> Self {
        let mut given: Vec<_> = given.map(|(text, task)| (hash(text), task)).collect();
        given.sort_unstable();
        Self(given.into_iter().collect())
    }

    /// Takes up what a group of operations gives its task.
    pub(super) fn note(&mut self, group: &Group) {
        if group.key.kind != Kind::Task {
            return;
        }
        for op in &group.ops {
            if let Op::Set { slot, value, .. } = op
                && slot.field == task::SHORT_ID
                && let Some(text) = value.as_text().filter(|text| parts(text).is_some())
            {
                self.0.insert((hash(text), group.key.id));
            }
        }
    }

    fn find(&self, hash: u64) -> impl Iterator<Item = EntityId> {
        self.0.range((hash, EntityId([0; 16]))..=(hash, EntityId([u8::MAX; 16]))).map(|(_, id)| *id)
    }
}

impl Workspace {
    /// Every short id a task has: one, or several if two devices imported it at once. The first is
    /// shown.
    pub fn short_ids(&self, task: EntityId) -> impl Iterator<Item = &str> {
        let live = self.live(EntityKey::new(Kind::Task, task), &task::SHORT_ID.into());
        live.iter().filter_map(|live| live.value.as_text()).filter(|text| parts(text).is_some())
    }

    /// What people call a task: `VELO-42`, or `VELO-42kd` if another task has the same; the start of
    /// its id if it was given none.
    pub fn short_id(&self, task: EntityId) -> String {
        let Some(text) = self.short_ids(task).next() else { return task.short() };
        let others: Vec<String> = self.named(text).filter(|other| *other != task).map(tag).collect();
        if others.is_empty() {
            return text.to_owned();
        }
        let own = tag(task);
        let is_own = |len: &usize| !others.iter().any(|other| other.starts_with(&own[..*len]));
        let len = (MIN_TAG..TAG).find(is_own).unwrap_or(TAG);
        format!("{text}{}", &own[..len])
    }

    /// Every task that `text` may mean, whatever its case, by id; deleted ones too.
    pub fn find_short_id(&self, text: &str) -> Vec<EntityId> {
        let text = text.to_lowercase();
        let end = text.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
        let (text, letters) = text.split_at(end);
        self.named(text).filter(|id| tag(*id).starts_with(letters)).collect()
    }

    /// Tasks, shown or deleted, that have this short id.
    fn named(&self, text: &str) -> impl Iterator<Item = EntityId> {
        let text = text.to_lowercase();
        self.short_ids.find(hash(&text)).filter(move |id| {
            let key = EntityKey::new(Kind::Task, *id);
            let has = self.short_ids(*id).any(|other| other.to_lowercase() == text);
            has && (self.is_shown(key) || self.deleted.contains(&key))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{EntryId, WorkspaceId},
        log::{EntryKind, HEADER_VERSION, Header, Origin},
        log_set::{Body, Turn},
        model::{ALIVE, Slot},
        op::DataBody,
        store::{ChainNo, EntryAt},
        time::Hlc,
        value::Value,
    };

    #[test]
    fn what_is_no_short_id_is_not_taken_for_one() {
        assert_eq!(parts("HOUS-7"), Some(("HOUS", 7)));
        assert_eq!(parts("ÉTÉ2-123456789"), Some(("ÉTÉ2", 123_456_789)));
        let long = format!("{}-1", "X".repeat(PREFIX_CHARS + 1));
        for text in
            ["", "HOUS", "HOUS-", "-7", "HOUS-07", "HOUS-0", "HOUS-7b", "HO US-7", "A-B-7", "HOUS-+7", &long]
        {
            assert_eq!(parts(text), None, "{text}");
        }
        assert_eq!(parts("HOUS-1234567890"), None);
    }

    fn id(number: u8) -> EntityId {
        EntityId([number; 16])
    }

    fn groups(tasks: &[(u8, &str)]) -> Vec<Group> {
        let set = |slot: Slot, value| Op::Set { slot, value, replaces: Vec::new() };
        let group = |(number, text): &(u8, &str)| Group {
            key: EntityKey::new(Kind::Task, id(*number)),
            ops: vec![
                set(ALIVE.field.into(), Value::Bool(true)),
                set(task::SHORT_ID.into(), Value::text(*text)),
            ],
        };
        tasks.iter().map(group).collect()
    }

    fn apply(workspace: &mut Workspace, position: u64, groups: Vec<Group>) {
        use crate::id::{DeviceId, Incarnation, PersonId};
        let (person, device) = (PersonId([1; 32]), DeviceId([2; 32]));
        let origin = Origin { person, device, incarnation: Incarnation([3; 8]), founder: false };
        let (kind, hlc, salt) = (EntryKind::DATA, Hlc(position), [0; 8]);
        let (auth, epoch, deps) = (None, None, Vec::new());
        let header = Header { version: HEADER_VERSION, kind, hlc, auth, deps, epoch, salt, body_len: 0 };
        let body = crate::codec::encode(&DataBody::new(groups));
        let at = EntryAt { chain: ChainNo(0), position };
        let (id, origin, header, body) = (EntryId([position as u8; 32]), &origin, &header, &body);
        let applied = workspace.apply(&Turn { at, id, origin, header, body: Body::Plain(body) }, None);
        assert_eq!(applied.void, []);
    }

    fn with(tasks: &[(u8, &str)]) -> Workspace {
        let mut workspace = Workspace::new(WorkspaceId([9; 32]));
        apply(&mut workspace, 1, groups(tasks));
        workspace
    }

    #[test]
    fn two_tasks_with_one_id_are_told_apart_and_neither_is_taken_for_the_other() {
        let (one, two) = (id(1), id(2));
        let both = with(&[(1, "HOUS-7"), (2, "hous-7"), (3, "HOUS-70"), (4, "no id")]);
        let (first, second) = (both.short_id(one), both.short_id(two));
        assert_ne!(first, second);
        assert!(first.starts_with("HOUS-7") && first.len() == "HOUS-7".len() + MIN_TAG, "{first}");
        assert_eq!(both.find_short_id(&first.to_uppercase()), [one]);
        assert_eq!(both.find_short_id(&second), [two]);
        assert_eq!(both.find_short_id("hous-7"), [one, two], "what was written down before is ambiguous");
        assert_eq!(both.short_id(id(3)), "HOUS-70");
        assert_eq!(both.short_id(id(4)), id(4).short());
        // Once alone again, the longer name still names it, and no other.
        let alone = with(&[(1, "HOUS-7")]);
        assert_eq!(alone.short_id(one), "HOUS-7");
        assert_eq!(alone.find_short_id(&first), [one]);
        assert_eq!(alone.find_short_id(&second), []);
    }

    #[test]
    fn a_deleted_task_keeps_its_id_and_a_replaced_one_names_nothing() {
        let mut workspace = with(&[(1, "HOUS-7"), (2, "HOUS-8")]);
        let key = |number| EntityKey::new(Kind::Task, id(number));
        let slot = Slot::from(task::SHORT_ID);
        let replaces = workspace.live(key(2), &slot).iter().map(|live| live.op).collect();
        let renamed = Op::Set { slot, value: Value::text("HOUS-9"), replaces };
        let deleted = Op::Delete { lists: workspace.live_ops(key(1)) };
        let group = |number, op| Group { key: key(number), ops: vec![op] };
        apply(&mut workspace, 2, vec![group(1, deleted), group(2, renamed)]);
        assert!(!workspace.is_shown(key(1)));
        let found = |text| workspace.find_short_id(text);
        assert_eq!((found("HOUS-7"), found("HOUS-8"), found("HOUS-9")), (vec![id(1)], vec![], vec![id(2)]));
    }
}
