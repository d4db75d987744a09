//! What stands in what, and what has a place among its siblings.

use super::{EntityKey, Field, Kind, attachment, checklist_item, column, comment, project, task};
use super::{custom_field, saved_view};
use crate::id::EntityId;

/// A way in which entities of one kind stand in those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Containment {
    /// A column in its project.
    Column,
    /// A task in its column.
    Task,
    /// A task in the task it is a part of.
    Subtask,
    /// A checklist item in its task.
    ChecklistItem,
    /// A comment on its task.
    Comment,
    /// An attachment of its task.
    Attachment,
}

impl Containment {
    /// All, those of one container in the order in which people see them.
    const ALL: [Self; 6] =
        [Self::Column, Self::Task, Self::Subtask, Self::ChecklistItem, Self::Comment, Self::Attachment];

    /// Of what kind the contained is, its field that names the container, and the container's kind.
    const fn table(self) -> (Kind, Field, Kind) {
        match self {
            Self::Column => (Kind::Column, column::PROJECT, Kind::Project),
            Self::Task => (Kind::Task, task::COLUMN, Kind::Column),
            Self::Subtask => (Kind::Task, task::PARENT, Kind::Task),
            Self::ChecklistItem => (Kind::ChecklistItem, checklist_item::TASK, Kind::Task),
            Self::Comment => (Kind::Comment, comment::TASK, Kind::Task),
            Self::Attachment => (Kind::Attachment, attachment::TASK, Kind::Task),
        }
    }

    /// Of what stands there.
    pub const fn kind(self) -> Kind {
        self.table().0
    }

    /// Its field that names the container.
    pub const fn field(self) -> Field {
        self.table().1
    }

    /// The container that a field with this value names.
    pub const fn container(self, id: EntityId) -> EntityKey {
        EntityKey::new(self.table().2, id)
    }
}

impl Kind {
    /// The ways in which an entity of this kind stands in others; the first decides where it is
    /// shown.
    pub const fn containments(self) -> &'static [Containment] {
        match self {
            Self::Column => &[Containment::Column],
            Self::Task => &[Containment::Task, Containment::Subtask],
            Self::ChecklistItem => &[Containment::ChecklistItem],
            Self::Comment => &[Containment::Comment],
            Self::Attachment => &[Containment::Attachment],
            _ => &[],
        }
    }

    /// The way in which an entity of this kind stands in what a field of it names.
    pub fn containment(self, field: Field) -> Option<Containment> {
        self.containments().iter().copied().find(|containment| containment.field() == field)
    }

    /// What stands in an entity of this kind.
    pub fn contents(self) -> impl Iterator<Item = Containment> {
        Containment::ALL.into_iter().filter(move |containment| containment.table().2 == self)
    }

    /// The field that holds the place among siblings, for kinds that people put in order.
    pub const fn order(self) -> Option<Field> {
        match self {
            Self::Task => Some(task::ORDER),
            Self::Column => Some(column::ORDER),
            Self::Project => Some(project::ORDER),
            Self::ChecklistItem => Some(checklist_item::ORDER),
            Self::CustomField => Some(custom_field::ORDER),
            Self::SavedView => Some(saved_view::ORDER),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FieldType;

    #[test]
    fn each_containment_is_listed_with_its_kind_and_refers_to_its_container() {
        for containment in Containment::ALL {
            let (kind, field, within) = containment.table();
            assert_eq!(kind.containment(field), Some(containment));
            assert!(within.contents().any(|other| other == containment));
            assert_eq!(kind.field(field).map(|spec| spec.ty), Some(FieldType::Ref(within)));
        }
        let listed = Kind::all().map(|kind| kind.containments().len()).sum::<usize>();
        assert_eq!(listed, Containment::ALL.len());
    }
}
