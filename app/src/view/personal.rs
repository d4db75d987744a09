//! What the person keeps for themselves about the workspace shown: favourites, what they have read, a
//! comment that is not finished, how they look at a project. All of their devices show the same; see
//! [`velo_protocol::private`].

use super::detail::Of;
use velo_protocol::{
    change::Change,
    describe,
    id::{EntityId, PersonId, WorkspaceId},
    model::{EntityKey, Kind, Slot, personal},
    private::{self, About},
    time::Hlc,
    value::{Element, Value},
    workspace::Workspace,
};

/// How long somebody pauses before what they type is kept, in milliseconds.
const PAUSE_MS: u64 = 2_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Personal {
    /// The private workspace, once it is open.
    private: Option<Workspace>,
    /// Favourites that stand in the workspace shown, with their names: projects first.
    pub favourites: Vec<(EntityKey, String)>,
    /// Whose it is.
    me: Option<PersonId>,
    /// The workspace shown.
    shown: Option<WorkspaceId>,
    /// From when on comments count as new.
    base: Option<Hlc>,
    /// The revision of the private workspace, and of the one shown.
    of: (u64, u64),
}

impl Personal {
    /// Takes what is new. Returns whether anything was.
    pub fn renew(&mut self, private: Option<Workspace>, workspace: &Workspace, me: PersonId) -> bool {
        let of = (private.as_ref().map_or(0, Workspace::revision), workspace.revision());
        let is_same = self.of == of && self.shown == Some(workspace.id()) && self.me == Some(me);
        if is_same && self.private.is_some() == private.is_some() {
            return false;
        }
        (self.of, self.shown, self.me, self.private) = (of, Some(workspace.id()), Some(me), private);
        let about = About::workspace(workspace.id());
        self.base = self.private.as_ref().and_then(|private| private::read_to(private, &about));
        self.favourites = self.read_favourites(workspace);
        true
    }

    fn read_favourites(&self, workspace: &Workspace) -> Vec<(EntityKey, String)> {
        let all = self.private.as_ref().map(private::favourites).unwrap_or_default().into_iter();
        let here = all.filter(|about| about.workspace == workspace.id() && workspace.is_shown(about.entity));
        let name =
            |key: EntityKey| describe::title_field(key.kind).map_or("", |field| workspace.text(key, field));
        let mut named: Vec<_> = here.map(|about| (about.entity, name(about.entity).to_owned())).collect();
        named.sort_by_cached_key(|(key, name)| (key.kind != Kind::Project, name.to_lowercase(), key.id));
        named
    }

    /// Whether anything can be kept yet.
    pub fn is_open(&self) -> bool {
        self.private.is_some()
    }

    /// Where it is kept.
    pub fn place(&self) -> Option<WorkspaceId> {
        self.private.as_ref().map(Workspace::id)
    }

    /// What changes when this follows from what is shown: it is renewed, so that cards are.
    pub fn revision(&self) -> u64 {
        self.of.0
    }

    fn about(&self, kind: Kind, id: EntityId) -> Option<About> {
        Some(About::entity(self.shown?, EntityKey::new(kind, id)))
    }

    /// Whether something in the workspace shown is a favourite.
    pub fn is_favourite(&self, key: EntityKey) -> bool {
        self.favourites.iter().any(|(favourite, _)| *favourite == key)
    }

    /// The change that makes something a favourite, or none any more.
    pub fn toggle(&self, key: EntityKey) -> Option<Change> {
        let about = About::entity(self.shown?, key);
        Some(about.keep([(personal::FAVOURITE, Value::Bool(!self.is_favourite(key)))]))
    }

    /// Comments of others on a task that the person has not read. None before they looked at the
    /// workspace first: whoever comes in does not find all of its past unread.
    pub fn unread(&self, workspace: &Workspace, task: EntityId) -> Vec<EntityId> {
        let (Some(private), Some(base)) = (&self.private, self.base) else { return Vec::new() };
        let Some(about) = self.about(Kind::Task, task) else { return Vec::new() };
        let is_new = |id: &EntityId| {
            let created = workspace.created(EntityKey::new(Kind::Comment, *id));
            let is_of_others = created.is_some_and(|(when, by)| when > base && Some(by) != self.me);
            is_of_others && !private::is_read(private, &about, *id)
        };
        workspace.comments(task).into_iter().filter(is_new).collect()
    }

    /// The change that notes comments on a task as read.
    pub fn read(&self, task: EntityId, comments: &[EntityId]) -> Option<Change> {
        let element =
            |id: &EntityId| (Slot::element(personal::READ, Element::Entity(*id)), Value::Bool(true));
        let about = self.about(Kind::Task, task).filter(|_| !comments.is_empty())?;
        Some(about.keep(comments.iter().map(element)))
    }

    /// The change that begins to count what is unread, when the workspace is looked at first.
    pub fn begin(&self, wall_ms: u64) -> Option<Change> {
        if !self.is_open() || self.base.is_some() {
            return None;
        }
        let now = i64::try_from(Hlc::from_ms(wall_ms).0).unwrap_or(i64::MAX);
        Some(About::workspace(self.shown?).keep([(personal::READ_TO, Value::Int(now))]))
    }

    /// The comment on a task that is not finished.
    pub fn draft(&self, (workspace, task): Of) -> &str {
        let about = About::entity(workspace, EntityKey::new(Kind::Task, task));
        self.private.as_ref().map_or("", |private| private::draft(private, &about))
    }

    /// The change that keeps it.
    pub fn keep_draft((workspace, task): Of, text: &str) -> Change {
        let about = About::entity(workspace, EntityKey::new(Kind::Task, task));
        let value = if text.is_empty() { Value::Unset } else { Value::text(text) };
        about.keep([(personal::DRAFT, value)])
    }

    /// The name of the view that a project was last looked at in.
    pub fn view(&self, project: EntityId) -> &str {
        let about = self.about(Kind::Project, project);
        let view = about.and_then(|about| Some(private::view(self.private.as_ref()?, &about)));
        view.unwrap_or_default()
    }

    /// The change that keeps it.
    pub fn keep_view(&self, project: EntityId, name: &str) -> Option<Change> {
        let about = self.about(Kind::Project, project)?;
        (self.view(project) != name).then(|| about.keep([(personal::VIEW, Value::text(name))]))
    }
}

/// Keeps the comment that is being written: after a pause, and when another task is turned to.
#[derive(Debug, Default)]
pub struct DraftKeeper {
    of: Option<Of>,
    /// What is stored, or on its way: what the field holds while nothing is being typed.
    base: String,
    /// What was stored when that was looked at last, with nothing on its way.
    stored: String,
    /// What was in the field when it was looked at last, and since when.
    last: (String, u64),
    /// How many are on their way.
    waiting: usize,
    /// What was refused last: it is not tried again while it stands there.
    refused: Option<String>,
}

impl DraftKeeper {
    /// Follows the field of the open task. Returns what is to be kept now.
    pub fn follow(
        &mut self,
        open: Option<Of>,
        typed: &mut String,
        stored: &str,
        now_ms: u64,
    ) -> Option<String> {
        if self.of != open {
            if typed.is_empty() {
                stored.clone_into(typed);
            }
            let (base, stored) = (stored.to_owned(), stored.to_owned());
            *self = Self { of: open, base, stored, last: (typed.clone(), now_ms), ..Self::default() };
            return None;
        }
        if self.waiting == 0 && stored != self.stored {
            stored.clone_into(&mut self.stored);
            if *typed == self.base {
                // Written on another device, or what was kept here.
                stored.clone_into(typed);
                stored.clone_into(&mut self.base);
            }
        }
        if *typed != self.last.0 {
            self.last = (typed.clone(), now_ms);
        }
        let has_paused = now_ms.saturating_sub(self.last.1) >= PAUSE_MS;
        (has_paused && !self.is_refused(typed)).then(|| self.keep(typed)).flatten()
    }

    fn is_refused(&self, typed: &str) -> bool {
        self.refused.as_deref() == Some(typed)
    }

    /// Whether it follows the field of this task.
    pub fn follows(&self, of: Of) -> bool {
        self.of == Some(of)
    }

    /// What is to be kept of a field that is left.
    pub fn keep(&mut self, typed: &str) -> Option<String> {
        if self.of.is_none() || typed == self.base {
            return None;
        }
        typed.clone_into(&mut self.base);
        self.waiting += 1;
        Some(typed.to_owned())
    }

    /// What was on its way has arrived.
    pub fn kept(&mut self, of: Of) {
        if self.follows(of) {
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// What was on its way was refused: it stays in the field, and nothing else takes its place.
    pub fn refused(&mut self, of: Of, text: &str) {
        if self.follows(of) {
            self.waiting = self.waiting.saturating_sub(1);
            self.refused = Some(text.to_owned());
            self.base.clone_from(&self.stored);
        }
    }

    /// In how many milliseconds something is to be kept, if so.
    pub fn due_in(&self, typed: &str, now_ms: u64) -> Option<u64> {
        let is_open = self.of.is_some() && typed != self.base && !self.is_refused(typed);
        is_open.then(|| (self.last.1 + PAUSE_MS).saturating_sub(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Of = (WorkspaceId([1; 32]), EntityId([2; 16]));

    #[test]
    fn a_draft_is_kept_after_a_pause_and_not_while_somebody_types() {
        let (mut keeper, mut typed) = (DraftKeeper::default(), String::new());
        assert_eq!(keeper.follow(Some(OF), &mut typed, "From the phone", 0), None);
        assert_eq!(typed, "From the phone");
        typed.push('!');
        assert_eq!(keeper.follow(Some(OF), &mut typed, "From the phone", 1_000), None);
        assert_eq!(keeper.due_in(&typed, 1_500), Some(1_500));
        typed.push('!');
        assert_eq!(keeper.follow(Some(OF), &mut typed, "From the phone", 2_900), None);
        let kept = keeper.follow(Some(OF), &mut typed, "From the phone", 4_900);
        assert_eq!(kept.as_deref(), Some("From the phone!!"));
        // Not taken back while it is on its way.
        assert_eq!(keeper.follow(Some(OF), &mut typed, "From the phone", 5_000), None);
        assert_eq!(typed, "From the phone!!");
        keeper.kept(OF);
        assert_eq!(keeper.follow(Some(OF), &mut typed, "From the phone!!", 5_100), None);
        assert_eq!(keeper.follow(Some(OF), &mut typed, "Written elsewhere", 5_200), None);
        assert_eq!(typed, "Written elsewhere");
        assert_eq!(keeper.due_in(&typed, 5_200), None);
    }

    #[test]
    fn what_is_refused_stays_in_the_field_and_is_not_tried_without_end() {
        let (mut keeper, mut typed) = (DraftKeeper::default(), String::new());
        keeper.follow(Some(OF), &mut typed, "Before", 0);
        typed.push_str(" and after");
        keeper.follow(Some(OF), &mut typed, "Before", 100);
        let sent = keeper.follow(Some(OF), &mut typed, "Before", 2_200).unwrap();
        keeper.refused(OF, &sent);
        assert_eq!(keeper.follow(Some(OF), &mut typed, "Before", 2_300), None);
        assert_eq!((typed.as_str(), keeper.due_in(&typed, 9_000)), ("Before and after", None));
        assert_eq!(keeper.follow(Some(OF), &mut typed, "Before", 9_000), None, "not again as it stands");
        assert_eq!(keeper.follow(Some(OF), &mut typed, "From the phone", 9_100), None);
        assert_eq!(typed, "Before and after");
        typed.push('!');
        keeper.follow(Some(OF), &mut typed, "From the phone", 9_200);
        assert!(keeper.follow(Some(OF), &mut typed, "From the phone", 12_000).is_some());
    }

    #[test]
    fn an_answer_to_an_earlier_draft_takes_nothing_back() {
        let (mut keeper, mut typed) = (DraftKeeper::default(), String::new());
        keeper.follow(Some(OF), &mut typed, "", 0);
        typed.push_str("one");
        assert!(keeper.keep(&typed).is_some());
        typed.push_str(" two");
        assert!(keeper.keep(&typed).is_some());
        keeper.kept(OF);
        keeper.follow(Some(OF), &mut typed, "one", 100);
        assert_eq!(typed, "one two");
        keeper.kept(OF);
        keeper.follow(Some(OF), &mut typed, "one two", 200);
        assert_eq!(typed, "one two");
    }

    #[test]
    fn what_is_being_typed_is_not_replaced_by_what_comes() {
        let (mut keeper, mut typed) = (DraftKeeper::default(), String::new());
        keeper.follow(Some(OF), &mut typed, "", 0);
        typed.push_str("Mine");
        assert_eq!(keeper.follow(Some(OF), &mut typed, "Theirs", 100), None);
        assert_eq!(typed, "Mine");
        assert_eq!(keeper.keep(&typed).as_deref(), Some("Mine"));
        assert_eq!(keeper.keep(&typed), None);
        keeper.follow(None, &mut String::new(), "", 200);
        assert_eq!(keeper.keep("Nothing is open"), None);
    }
}
