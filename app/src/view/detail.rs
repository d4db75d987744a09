//! What is being typed about tasks, before it becomes changes.
//!
//! A [`Draft`] stands over what was shown when typing began. Of a title it is saved over exactly those
//! values: what a colleague saves meanwhile was not shown here, so it is not replaced but stays beside
//! the draft, and a conflict is told. Of a description it is saved as an edit of what was shown, and what
//! a colleague writes meanwhile is merged with it, also while somebody types.
//!
//! Texts that are not sent, not saved yet or refused are kept for every task as long as the app
//! runs, so that looking at another task loses nothing.

use std::collections::BTreeMap;
use velo_protocol::{
    change::Change,
    id::{EntityId, OpId, WorkspaceId},
    model::{EntityKey, Field, Kind, Slot, task},
    text::{self, TextVersion},
    value::Value,
    workspace::Workspace,
};

/// A task, and where it stands.
pub type Of = (WorkspaceId, EntityId);

/// A text that is live in the workspace, and the operation that set it.
type LiveText<'a> = (OpId, &'a str);

/// A text of the workspace that can be edited in place. See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// What is in the field.
    pub text: String,
    /// Where the selection in the field begins and ends, in characters.
    pub carets: Carets,
    /// What was shown when typing began, or was sent last.
    base: String,
    /// The operations behind it: what the next save replaces.
    seen: Vec<OpId>,
    /// Of a long text: what the next save edits.
    version: Option<TextVersion>,
    /// What to go back to if the save under way is refused.
    sent: Option<Before>,
    /// Whether that was saved, and not shown since.
    unseen: bool,
    /// Whether to save again when that one is answered.
    again: bool,
    /// Why the last save was refused.
    problem: Option<String>,
}

/// Where a selection begins and ends, and whether the text below it was moved since the field was shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carets {
    /// In characters.
    pub at: [usize; 2],
    /// Whether the field has to be told.
    pub moved: bool,
}

/// A draft before it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Before {
    base: String,
    seen: Vec<OpId>,
    version: Option<TextVersion>,
}

/// What the workspace shows of a text.
struct Shown<'a> {
    text: &'a str,
    live: Vec<LiveText<'a>>,
    /// Of a long text: where it stands.
    long: Option<(&'a Workspace, EntityKey)>,
}

impl Draft {
    /// Takes over what the workspace shows, unless something else is being typed or saved.
    fn follow(&mut self, shown: &Shown<'_>) {
        if std::mem::take(&mut self.unseen) {
            self.again |= self.saved(Some(shown));
        }
        if self.sent.is_none() && self.version.is_some() && shown.long.is_some() && self.is_changed() {
            return self.merge(shown);
        }
        let known = shown.live.iter().map(|(op, _)| op).eq(&self.seen);
        // A verdict may change a long text, and leave alone who edited it last.
        let is_same = shown.long.is_none() || self.version.is_some() && shown.text == self.base;
        if self.sent.is_some() || self.is_changed() || known && is_same {
            return;
        }
        shown.text.clone_into(&mut self.text);
        self.stand_on(shown);
    }

    /// Takes in what a colleague wrote into a long text meanwhile: who types on does so in what there is now.
    fn merge(&mut self, shown: &Shown<'_>) {
        if shown.text != self.base {
            let merged = text::merge(&self.base, shown.text, &self.text, &mut self.carets.at);
            self.carets.moved = merged != self.text;
            self.text = merged;
        }
        self.stand_on(shown);
    }

    fn stand_on(&mut self, shown: &Shown<'_>) {
        shown.text.clone_into(&mut self.base);
        self.seen = shown.live.iter().map(|(op, _)| *op).collect();
        self.version = shown.long.map(|(workspace, key)| workspace.text_version(key, task::DESCRIPTION));
    }

    /// Whether something has been typed that was not sent.
    pub fn is_changed(&self) -> bool {
        self.text != self.base
    }

    /// Whether nothing of it is missing in the workspace.
    fn is_done(&self) -> bool {
        !self.is_changed() && self.sent.is_none()
    }

    /// Why it could not be saved, while it is not.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref().filter(|_| self.is_changed())
    }

    /// Goes back to what was there when typing began.
    fn reset(&mut self) {
        self.text.clone_from(&self.base);
    }

    /// The change that saves it, if there is anything to save. What comes while another save is
    /// under way waits for its answer: only then is it known what it stands over.
    fn save(&mut self, key: EntityKey, field: Field) -> Option<Change> {
        if !self.is_changed() {
            return None;
        }
        if self.sent.is_some() {
            self.again = true;
            return None;
        }
        self.problem = None;
        let base = std::mem::replace(&mut self.base, self.text.clone());
        self.sent = Some(Before { base, seen: self.seen.clone(), version: self.version.clone() });
        if let Some(version) = &self.version {
            return Some(Change::Edit { key, field, edit: version.edit(&self.text) });
        }
        let value = Value::text(self.text.as_str());
        Some(Change::SetOver { key, slot: field.into(), value, seen: self.seen.clone() })
    }

    /// What was sent is saved. Returns whether there is more to save.
    fn saved(&mut self, shown: Option<&Shown<'_>>) -> bool {
        match shown {
            Some(shown) if shown.long.is_some() => self.merge(shown),
            None if self.version.is_some() => {
                // The task was deleted meanwhile: what there is now is seen when it comes back.
                self.unseen = true;
                return false;
            }
            Some(Shown { live, .. }) => {
                let own = live.iter().filter(|(_, text)| *text == self.base).map(|(op, _)| *op);
                let own: Vec<OpId> = own.collect();
                if !own.is_empty() {
                    // Who types on does so over what was just saved.
                    self.seen = own;
                }
            }
            None => {}
        }
        self.sent = None;
        std::mem::take(&mut self.again)
    }

    /// What was sent was refused: the text stays, and counts as typed over what was there before.
    fn refused(&mut self, problem: &str) {
        if let Some(before) = self.sent.take() {
            self.base = before.base;
            self.seen = before.seen;
            self.version = before.version;
            self.problem = Some(problem.to_owned());
        }
        self.again = false;
    }
}

/// A text of the task itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its title.
    Title,
    /// Its description.
    Description,
}

impl Part {
    fn field(self) -> Field {
        match self {
            Self::Title => task::TITLE,
            Self::Description => task::DESCRIPTION,
        }
    }
}

/// A text that becomes something new about the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// A line of the checklist.
    Item,
    /// A comment.
    Comment,
}

/// Everything that is being typed about one task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// Its title.
    pub title: Draft,
    /// Its description.
    pub description: Draft,
    /// A new line of the checklist.
    pub new_item: String,
    /// A new comment.
    pub comment: String,
}

impl Typed {
    fn draft(&mut self, part: Part) -> &mut Draft {
        match part {
            Part::Title => &mut self.title,
            Part::Description => &mut self.description,
        }
    }

    fn follow(&mut self, workspace: &Workspace, id: EntityId) {
        for part in [Part::Title, Part::Description] {
            if let Some(shown) = shown(workspace, id, part) {
                self.draft(part).follow(&shown);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.title.is_done()
            && self.description.is_done()
            && self.new_item.is_empty()
            && self.comment.is_empty()
    }

    /// The changes that save title and description: each by itself, so that one that is refused
    /// does not hold up the other.
    fn save(&mut self, id: EntityId) -> Vec<(Part, Change)> {
        // One line, as the schema wants it; an empty title is not saved.
        self.title.text = self.title.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.title.text.is_empty() {
            self.title.reset();
        }
        let key = EntityKey::new(Kind::Task, id);
        let parts = [Part::Title, Part::Description].into_iter();
        parts.filter_map(|part| Some((part, self.draft(part).save(key, part.field())?))).collect()
    }
}

fn shown(workspace: &Workspace, id: EntityId, part: Part) -> Option<Shown<'_>> {
    let (view, key) = (workspace.task(id)?, EntityKey::new(Kind::Task, id));
    let lives = workspace.live(key, &Slot::from(part.field()));
    let live = lives.iter().map(|live| (live.op, live.value.as_text().unwrap_or_default())).collect();
    Some(match part {
        Part::Title => Shown { text: view.title, live, long: None },
        Part::Description => Shown { text: view.description, live, long: Some((workspace, key)) },
    })
}

/// What is being typed about the open task, and what was left about others. See the module.
#[derive(Debug, Clone, Default)]
pub struct Detail {
    /// The texts about the open task.
    pub typed: Typed,
    /// Whether the description is shown as a text field.
    pub editing_description: bool,
    /// Whether the title should take the focus.
    pub focus_title: bool,
    /// Whether the description's field should.
    pub focus_description: bool,
    of: Option<Of>,
    kept: BTreeMap<Of, Typed>,
}

impl Detail {
    /// The open task.
    pub fn of(&self) -> Option<Of> {
        self.of
    }

    /// Takes up another task, and puts aside what is not done about this one.
    pub fn turn_to(&mut self, open: Option<Of>) {
        if self.of == open {
            return;
        }
        let next = open.and_then(|of| self.kept.remove(&of)).unwrap_or_default();
        let last = std::mem::replace(&mut self.typed, next);
        if let Some(of) = self.of.filter(|_| !last.is_done()) {
            self.kept.insert(of, last);
        }
        self.of = open;
        self.editing_description = false;
    }

    /// Follows the open task.
    pub fn follow(&mut self, workspace: &Workspace) {
        if let Some((_, id)) = self.of.filter(|(at, _)| *at == workspace.id()) {
            self.typed.follow(workspace, id);
        }
    }

    /// The changes that save what has been typed into the fields of a task.
    pub fn save(&mut self, of: Of) -> Vec<(Part, Change)> {
        self.typed_about(of).save(of.1)
    }

    /// A save is done; `workspace` shows it. Returns whether more was typed and left meanwhile.
    pub fn saved(&mut self, of: Of, part: Part, workspace: Option<&Workspace>) -> bool {
        let shown = workspace.and_then(|workspace| shown(workspace, of.1, part));
        let again = self.typed_about(of).draft(part).saved(shown.as_ref());
        self.kept.retain(|_, typed| !typed.is_done());
        again
    }

    /// A save was refused: the text is kept, and unsaved.
    pub fn refused(&mut self, of: Of, part: Part, problem: &str) {
        self.typed_about(of).draft(part).refused(problem);
        self.kept.retain(|_, typed| !typed.is_done());
    }

    /// Puts a text that was refused back into its field, before what was typed since.
    pub fn give_back(&mut self, of: Of, line: Line, text: &str) {
        let typed = self.typed_about(of);
        let (field, between) = match line {
            Line::Item => (&mut typed.new_item, " "),
            Line::Comment => (&mut typed.comment, "\n\n"),
        };
        *field = if field.is_empty() { text.to_owned() } else { format!("{text}{between}{field}") };
    }

    /// Tasks with a title or description that is not saved.
    pub fn unsaved(&self) -> Vec<Of> {
        let open = self.of.map(|of| (of, &self.typed));
        let all = open.into_iter().chain(self.kept.iter().map(|(of, typed)| (*of, typed)));
        let changed = |typed: &Typed| typed.title.is_changed() || typed.description.is_changed();
        all.filter(|(_, typed)| changed(typed)).map(|(of, _)| of).collect()
    }

    fn typed_about(&mut self, of: Of) -> &mut Typed {
        if self.of == Some(of) { &mut self.typed } else { self.kept.entry(of).or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Of = (WorkspaceId([9; 32]), EntityId([1; 16]));

    fn op(number: u16) -> OpId {
        OpId { entry: 7, index: number }
    }

    fn title(text: &str, by: u16) -> Shown<'_> {
        Shown { text, live: vec![(op(by), text)], long: None }
    }

    /// What a save of the draft names as replaced.
    fn save(draft: &mut Draft) -> Option<Vec<OpId>> {
        let key = EntityKey::new(Kind::Task, OF.1);
        draft.save(key, task::TITLE).map(|change| match change {
            Change::SetOver { seen, .. } => seen,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_draft_follows_until_somebody_types() {
        let mut draft = Draft::default();
        draft.follow(&title("one", 1));
        assert_eq!((draft.text.as_str(), draft.is_changed()), ("one", false));
        draft.text.push('!');
        draft.follow(&title("two", 2));
        assert_eq!((draft.text.as_str(), draft.is_changed()), ("one!", true));
        assert_eq!(save(&mut draft), Some(vec![op(1)]), "\"two\" was never shown");
        assert!(!draft.is_changed());
        let live = vec![(op(2), "two"), (op(3), "one!")];
        assert!(!draft.saved(Some(&Shown { text: "one!", live, long: None })));
        draft.follow(&title("three", 4));
        assert_eq!(draft.text, "three");
    }

    #[test]
    fn what_is_taken_back_by_typing_shows_what_came_meanwhile() {
        let mut draft = Draft::default();
        draft.follow(&title("one", 1));
        draft.text.push('!');
        draft.follow(&title("two", 2));
        draft.text.pop();
        draft.follow(&title("two", 2));
        assert_eq!(draft.text, "two");
    }

    #[test]
    fn who_types_on_does_so_over_their_own_save() {
        let mut draft = Draft::default();
        draft.follow(&title("one", 1));
        draft.text = "two".into();
        assert_eq!(save(&mut draft), Some(vec![op(1)]));
        draft.text = "three".into();
        assert_eq!(save(&mut draft), None, "one save at a time");
        draft.follow(&title("two", 2));
        assert_eq!(draft.text, "three");
        assert!(draft.saved(Some(&title("two", 2))), "the second one is due");
        assert_eq!(save(&mut draft), Some(vec![op(2)]));
    }

    #[test]
    fn a_refused_draft_stays_and_is_unsaved() {
        let mut draft = Draft::default();
        draft.follow(&title("one", 1));
        draft.text = "two".into();
        save(&mut draft);
        draft.refused("The disk is full.");
        draft.follow(&title("one", 1));
        assert_eq!((draft.text.as_str(), draft.is_changed()), ("two", true));
        assert_eq!(draft.problem(), Some("The disk is full."));
        assert_eq!(save(&mut draft), Some(vec![op(1)]), "it can be saved again");
    }

    #[test]
    fn an_empty_title_is_not_saved_and_line_breaks_become_spaces() {
        let mut detail = Detail::default();
        detail.turn_to(Some(OF));
        detail.typed.title.follow(&title("Fix pump", 1));
        detail.typed.title.text = "  ".into();
        assert_eq!(detail.save(OF), []);
        assert_eq!(detail.typed.title.text, "Fix pump");
        detail.typed.title.text = "Fix\npump now ".into();
        assert_eq!(detail.save(OF).len(), 1);
        assert_eq!(detail.typed.title.text, "Fix pump now");
    }

    #[test]
    fn what_is_typed_about_a_task_is_kept_while_others_are_open() {
        let other = (OF.0, EntityId([2; 16]));
        let mut detail = Detail::default();
        detail.turn_to(Some(OF));
        detail.typed.comment = "Who has".into();
        detail.turn_to(Some(other));
        assert_eq!(detail.typed, Typed::default());
        detail.give_back(OF, Line::Item, "Shut the valve");
        detail.turn_to(None);
        detail.turn_to(Some(OF));
        assert_eq!(detail.typed.comment, "Who has");
        assert_eq!(detail.typed.new_item, "Shut the valve");
        assert!(detail.kept.is_empty());
    }
}
