//! The detail panel's drafts: what is being typed, before it becomes a change.

use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Field, Kind, task},
    value::Value,
    workspace::Workspace,
};

/// A text of the workspace that can be edited in place.
///
/// While nobody types it follows the workspace, so that a colleague's edit shows at once; while
/// somebody types it is left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// What is in the field.
    pub text: String,
    /// What was last saved or taken over.
    base: String,
    /// What the workspace last said: a saved text takes a moment to come back from there.
    seen: String,
}

impl Draft {
    /// Takes over the workspace's text unless something else has been typed.
    pub fn follow(&mut self, text: &str) {
        if self.seen == text {
            return;
        }
        text.clone_into(&mut self.seen);
        if !self.is_changed() {
            text.clone_into(&mut self.text);
        }
        text.clone_into(&mut self.base);
    }

    /// Whether something has been typed that is not saved.
    pub fn is_changed(&self) -> bool {
        self.text != self.base
    }

    /// Goes back to the workspace's text.
    pub fn reset(&mut self) {
        self.text.clone_from(&self.seen);
        self.base.clone_from(&self.seen);
    }

    /// The change that saves it, if there is anything to save. Typing counts as saved from then on.
    pub fn save(&mut self, key: EntityKey, field: Field) -> Option<Change> {
        if !self.is_changed() {
            return None;
        }
        self.base.clone_from(&self.text);
        Some(Change::Set { key, slot: field.into(), value: Value::text(self.text.as_str()) })
    }
}

/// What is being typed about the open task.
#[derive(Debug, Clone, Default)]
pub struct Detail {
    /// Which task.
    pub task: Option<EntityId>,
    /// Its title.
    pub title: Draft,
    /// Its description.
    pub description: Draft,
    /// Whether the description is shown as a text field.
    pub editing_description: bool,
    /// Whether the title should take the focus.
    pub focus_title: bool,
    /// A new line of the checklist.
    pub new_item: String,
    /// A new comment.
    pub comment: String,
}

impl Detail {
    /// Follows the open task.
    pub fn follow(&mut self, workspace: &Workspace, open: Option<EntityId>) {
        if self.task != open {
            *self = Self { task: open, focus_title: self.focus_title, ..Self::default() };
        }
        let Some(view) = open.and_then(|id| workspace.task(id)) else { return };
        self.title.follow(view.title);
        self.description.follow(view.description);
    }

    /// The changes that save what has been typed into the fields of the task.
    pub fn save(&mut self) -> Vec<Change> {
        let Some(id) = self.task else { return Vec::new() };
        let key = EntityKey::new(Kind::Task, id);
        // One line, as the schema wants it; an empty title is not saved.
        self.title.text = self.title.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.title.text.is_empty() {
            self.title.reset();
        }
        let title = self.title.save(key, task::TITLE);
        title.into_iter().chain(self.description.save(key, task::DESCRIPTION)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_follows_until_somebody_types() {
        let mut draft = Draft::default();
        draft.follow("one");
        assert_eq!((draft.text.as_str(), draft.is_changed()), ("one", false));
        draft.text.push('!');
        draft.follow("two");
        assert_eq!((draft.text.as_str(), draft.is_changed()), ("one!", true));
        let key = EntityKey::new(Kind::Task, EntityId([1; 16]));
        assert!(draft.save(key, task::TITLE).is_some());
        assert!(!draft.is_changed());
        draft.follow("one!");
        draft.follow("three");
        assert_eq!(draft.text, "three");
    }

    #[test]
    fn an_empty_title_is_not_saved_and_line_breaks_become_spaces() {
        let mut detail = Detail { task: Some(EntityId([1; 16])), ..Detail::default() };
        detail.title.follow("Fix pump");
        detail.title.text = "  ".into();
        assert_eq!(detail.save(), []);
        assert_eq!(detail.title.text, "Fix pump");
        detail.title.text = "Fix\npump now ".into();
        assert_eq!(detail.save().len(), 1);
        assert_eq!(detail.title.text, "Fix pump now");
    }
}
