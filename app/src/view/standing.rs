//! What the person at this device may do in the workspace shown.
//!
//! One answer for every control: [`Standing::of`] reads the roster once a revision, and whatever
//! edits, invites or manages asks it. The core judges again, and its verdict is what counts; this is
//! here so that nobody is offered what would have no effect, and everybody hears why.

use super::conflict::sentence;
use crate::{bridge::Me, command::Need, icons};
use velo_protocol::{access::Role, roster::Parting, workspace::Workspace};

/// How somebody stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// They have this role.
    In(Role),
    /// They have one, but this device cannot act for them: it was unlinked, or not linked yet.
    WithoutDevice,
    /// Their ticket is used when a device of the workspace is reached.
    Waiting,
    /// Their ticket cannot be used: why.
    Refused(String),
    /// Somebody of this name removed them.
    Removed(String),
    /// They left.
    Left,
    /// What let them in was taken back.
    Undone,
}

/// What stands over the page while something may not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// Its icon.
    pub icon: &'static str,
    /// How things are, and what to do next.
    pub words: String,
    /// Whether something was taken away or failed, rather than being as it should.
    pub grave: bool,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How they stand.
    pub place: Place,
    /// Everybody else with a role, the strongest first.
    others: Vec<(Role, String)>,
    /// Whether a peer said that their ticket is no longer good, also while they are in as far as is known.
    is_refused: bool,
    /// How much of what the person did has no effect because they were out, and can be posted again.
    void_work: usize,
}

impl Default for Standing {
    fn default() -> Self {
        Self { place: Place::Waiting, others: Vec::new(), is_refused: false, void_work: 0 }
    }
}

impl Standing {
    /// Reads how somebody stands. `refused`: why their ticket cannot be used.
    pub fn of(workspace: &Workspace, me: Me, refused: Option<&str>) -> Self {
        let roster = workspace.roster();
        let place = match (roster.members.get(&me.person), roster.former.get(&me.person)) {
            (Some(standing), _) if standing.devices.contains(&me.device) => Place::In(standing.role),
            (Some(_), _) => Place::WithoutDevice,
            (None, Some(Parting::Removed(by))) => Place::Removed(workspace.person_name(*by)),
            (None, Some(Parting::Left)) => Place::Left,
            (None, Some(Parting::Undone)) => Place::Undone,
            (None, None) => refused.map_or(Place::Waiting, |reason| Place::Refused(sentence(reason))),
        };
        let others = roster.members.iter().filter(|(person, _)| **person != me.person);
        let mut others: Vec<_> =
            others.map(|(person, standing)| (standing.role, workspace.person_name(*person))).collect();
        others.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        Self { place, others, is_refused: refused.is_some(), void_work: workspace.void_work() }
    }

    /// The own role, while this device can act under it.
    pub fn role(&self) -> Option<Role> {
        if let Place::In(role) = self.place { Some(role) } else { None }
    }

    /// Whether tasks, projects and everything in them may be changed.
    pub fn may_edit(&self) -> bool {
        self.role() >= Some(Role::Member)
    }

    /// Whether what needs this may be done. `Err`: why not, and what to do.
    pub fn allows(&self, need: Need) -> Result<(), String> {
        match need {
            Need::Nothing => Ok(()),
            Need::Edit if self.may_edit() => Ok(()),
            Need::Edit => Err(self.why_not()),
            Need::Invite => self.invite(),
            Need::Forget => self.forget(),
        }
    }

    /// Whether tickets may be made and withdrawn. `Err`: why not, and who can.
    pub fn invite(&self) -> Result<(), String> {
        self.need(Role::Admin, "Owners and admins make tickets")
    }

    /// Which roles somebody with the role `theirs` may be given; `None`: they are out. `Err`: why
    /// none, and who can.
    pub fn roles_for(&self, theirs: Option<Role>) -> Result<Vec<Role>, String> {
        self.outrank(theirs)?;
        let own = self.role();
        Ok(Role::ALL.into_iter().filter(|role| own >= Some(role.given_by())).collect())
    }

    /// Whether somebody with the role `theirs` may be given another role or removed.
    pub fn outrank(&self, theirs: Option<Role>) -> Result<(), String> {
        match theirs.map(Role::given_by) {
            Some(Role::Owner) => self.need(Role::Owner, "Only owners change what owners and admins may do"),
            _ => self.need(Role::Admin, "Owners and admins give and take roles"),
        }
    }

    /// Which roles the person may take for themselves: theirs, and lower ones. `Err`: why none.
    pub fn own_roles(&self) -> Result<Vec<Role>, String> {
        match self.role() {
            Some(Role::Owner) if !self.others.iter().any(|(role, _)| *role == Role::Owner) => {
                Err("You are the only owner: make somebody else an owner first.".to_owned())
            }
            Some(Role::Viewer) => Err(self.advise("Owners and admins give roles", Role::Admin)),
            Some(own) => Ok(Role::ALL.into_iter().filter(|role| *role <= own).collect()),
            None => Err(self.why_not()),
        }
    }

    /// Whether the person may leave. `Err`: why not.
    pub fn leave(&self) -> Result<(), String> {
        let owner_left = self.others.is_empty() || self.others.iter().any(|(role, _)| *role == Role::Owner);
        match self.role() {
            Some(Role::Owner) if !owner_left => {
                Err("You are the only owner: make somebody else an owner first.".to_owned())
            }
            Some(_) => Ok(()),
            None => Err(self.why_not()),
        }
    }

    /// Whether the workspace may be removed from this device. `Err`: why not, and what to do first.
    pub fn forget(&self) -> Result<(), String> {
        if self.role().is_none() || self.is_refused {
            return Ok(());
        }
        Err(if self.is_alone() {
            "You are the only one in this workspace: it would be gone for good.".to_owned()
        } else {
            "You are in this workspace: leave it first, on the page of members.".to_owned()
        })
    }

    /// Whether a peer said that the person's ticket is no longer good.
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// How much of what the person did has no effect because they were out.
    pub fn void_work(&self) -> usize {
        self.void_work
    }

    /// Whether nobody else is in.
    pub fn is_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// How many things that the person did while they were out can be posted again now.
    pub fn to_post_again(&self) -> usize {
        if self.may_edit() { self.void_work } else { 0 }
    }

    /// What to say over the page; to somebody who may edit, only what is left of the time they were out.
    pub fn banner(&self) -> Option<Banner> {
        if self.to_post_again() > 0 {
            let words = format!("{}.", self.void_words());
            return Some(Banner { icon: icons::HISTORY, words, grave: false });
        }
        let (icon, grave) = match &self.place {
            Place::In(Role::Viewer) => (icons::EYE, false),
            Place::In(_) => return None,
            Place::WithoutDevice => (icons::LINK_2_OFF, true),
            Place::Waiting => (icons::HOURGLASS, false),
            Place::Refused(_) => (icons::TICKET_X, true),
            Place::Removed(_) | Place::Undone => (icons::USER_X, true),
            Place::Left => (icons::LOG_OUT, false),
        };
        Some(Banner { icon, words: self.why_not(), grave })
    }

    /// Why nothing may be changed, and what to do next. Empty for somebody who may.
    pub fn why_not(&self) -> String {
        let again = |words: &str| self.advise(words, Role::Admin);
        match &self.place {
            Place::In(Role::Viewer) => again(&format!(
                "You are a viewer here: you can read everything, and change nothing. {}For more",
                self.void_note()
            )),
            Place::In(_) => String::new(),
            Place::WithoutDevice => "This device cannot act for you here: it was unlinked, or not linked yet. What you do on it reaches \
                 nobody. Link it with one of your other devices."
                .to_owned(),
            Place::Waiting => "Waiting for a device of the workspace: the ticket is used as soon as one is reached. Leave Velo \
                 open beside one, or connect to an address."
                .to_owned(),
            Place::Refused(reason) => reason.clone(),
            Place::Removed(by) => again(&format!(
                "{by} removed you from this workspace: what you do here reaches nobody. {}To be let in again",
                self.void_note()
            )),
            Place::Left => again(&format!(
                "You left this workspace: what you do here reaches nobody. {}To be let in again",
                self.void_note()
            )),
            Place::Undone => again(&format!(
                "What let you in was taken back: what you do here reaches nobody. {}To be let in again",
                self.void_note()
            )),
        }
    }

    /// What has no effect, as a sentence without its end.
    fn void_words(&self) -> String {
        match self.void_work {
            1 => "1 change you made while you were out has no effect".to_owned(),
            many => format!("{many} changes you made while you were out have no effect"),
        }
    }

    /// The same within other sentences, to somebody who cannot post it again yet.
    fn void_note(&self) -> String {
        let (came, them) = match (self.void_work, &self.place) {
            (0, _) => return String::new(),
            (many, Place::In(_)) => {
                let them = if many == 1 { "it" } else { "them" };
                return format!("{}: a member can post {them} again. ", self.void_words());
            }
            (1, _) => ("1 of your changes came after that, and has".to_owned(), "it"),
            (many, _) => (format!("{many} of your changes came after that, and have"), "them"),
        };
        format!("{came} no effect: once you are back, you can post {them} again. ")
    }

    fn need(&self, need: Role, words: &str) -> Result<(), String> {
        match self.role() {
            Some(role) if role >= need => Ok(()),
            Some(_) => Err(self.advise(words, need)),
            None => Err(self.why_not()),
        }
    }

    /// Ends a sentence with whom to ask.
    fn advise(&self, words: &str, need: Role) -> String {
        let able = self.others.iter().filter(|(role, _)| *role >= need);
        let names: Vec<&str> = able.map(|(_, name)| name.as_str()).take(2).collect();
        let link = if words.contains(". ") { "," } else { ":" };
        match names.as_slice() {
            [] => format!("{words}{link} ask an {}.", need.name()),
            names => format!("{words}{link} ask {}.", names.join(" or ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use velo_protocol::{
        id::{DeviceId, PersonId, WorkspaceId},
        roster::{self, Roster},
    };

    const ME: Me = Me { person: PersonId([1; 32]), device: DeviceId([1; 32]) };

    fn member(number: u8, role: Role) -> (PersonId, roster::Standing) {
        (PersonId([number; 32]), roster::Standing { role, devices: vec![DeviceId([number; 32])] })
    }

    fn standing(members: &[(u8, Role)], former: &[(u8, Parting)], refused: Option<&str>) -> Standing {
        let mut workspace = Workspace::new(WorkspaceId([9; 32]));
        workspace.set_roster(Roster {
            members: members.iter().map(|(number, role)| member(*number, *role)).collect(),
            former: former.iter().map(|(number, why)| (PersonId([*number; 32]), *why)).collect(),
            invites: Vec::new(),
            ..Roster::default()
        });
        Standing::of(&workspace, ME, refused)
    }

    #[test]
    fn each_role_is_offered_what_it_can_give() {
        use Role::{Admin, Member, Owner, Viewer};
        let of = |role| standing(&[(1, role), (2, Owner)], &[], None);
        assert_eq!(of(Owner).roles_for(Some(Owner)), Ok(Role::ALL.to_vec()));
        assert_eq!(of(Admin).roles_for(Some(Viewer)), Ok(vec![Member, Viewer]));
        assert_eq!(of(Admin).roles_for(None), Ok(vec![Member, Viewer]));
        let why = of(Admin).roles_for(Some(Admin)).unwrap_err();
        assert!(why.starts_with("Only owners") && why.contains("ask 02020202"), "{why}");
        assert!(of(Member).roles_for(Some(Viewer)).unwrap_err().starts_with("Owners and admins"));
        assert_eq!(of(Member).own_roles(), Ok(vec![Member, Viewer]));
        assert!(of(Viewer).own_roles().is_err() && of(Viewer).leave().is_ok());
        assert_eq!(
            [Owner, Admin, Member, Viewer].map(|role| of(role).invite().is_ok()),
            [true, true, false, false]
        );
        assert_eq!([Member, Viewer].map(|role| of(role).may_edit()), [true, false]);
    }

    #[test]
    fn an_only_owner_stays_one() {
        let one = standing(&[(1, Role::Owner), (2, Role::Admin)], &[], None);
        assert!(one.leave().is_err() && one.own_roles().is_err());
        let alone = standing(&[(1, Role::Owner)], &[], None);
        assert!(alone.leave().is_ok() && alone.own_roles().is_err());
    }

    #[test]
    fn who_may_not_edit_hears_why_and_what_to_do() {
        let words = |standing: Standing| standing.banner().map(|banner| banner.words).unwrap_or_default();
        let owner = (2, Role::Owner);
        assert_eq!(words(standing(&[(1, Role::Member), owner], &[], None)), "");
        assert!(words(standing(&[(1, Role::Viewer), owner], &[], None)).contains("For more, ask 02020202"));
        let removed = standing(&[owner], &[(1, Parting::Removed(PersonId([2; 32])))], None);
        assert!(words(removed).starts_with("02020202 removed you from this workspace"));
        assert!(words(standing(&[owner], &[(1, Parting::Left)], None)).starts_with("You left"));
        assert!(words(standing(&[], &[], None)).starts_with("Waiting for a device of the workspace"));
        let refused = standing(&[], &[], Some("the ticket was withdrawn: ask for a new one"));
        assert_eq!(words(refused), "The ticket was withdrawn: ask for a new one.");
    }

    #[test]
    fn who_is_not_in_may_remove_the_workspace_from_the_device() {
        let owner = (2, Role::Owner);
        let withdrawn = Some("the ticket was withdrawn");
        let why = standing(&[(1, Role::Member), owner], &[], None).forget().unwrap_err();
        assert!(why.contains("leave it first"), "{why}");
        assert!(standing(&[(1, Role::Owner)], &[], None).forget().unwrap_err().contains("only one"));
        let out = [
            standing(&[(1, Role::Member), owner], &[], withdrawn),
            standing(&[owner], &[(1, Parting::Left)], None),
            standing(&[], &[], withdrawn),
            standing(&[], &[], None),
        ];
        assert!(out.iter().all(|standing| standing.forget().is_ok()));
    }

    #[test]
    fn void_work_is_told_in_the_singular_and_in_the_plural() {
        let words = |members: &[(u8, Role)], former: &[(u8, Parting)], count| {
            let standing = Standing { void_work: count, ..standing(members, former, None) };
            (standing.banner().map(|banner| banner.words).unwrap_or_default(), standing.to_post_again())
        };
        let removed = [(1, Parting::Removed(PersonId([2; 32])))];
        let (one, several) =
            (words(&[(2, Role::Owner)], &removed, 1), words(&[(2, Role::Owner)], &removed, 3));
        assert!(
            one.0.contains("1 of your changes came after that, and has no effect") && one.1 == 0,
            "{one:?}"
        );
        assert!(several.0.contains("3 of your changes came after that, and have no effect"), "{several:?}");
        assert!(several.0.ends_with("To be let in again, ask 02020202."), "{several:?}");
        let back = [(1, Role::Member), (2, Role::Owner)];
        let told = "1 change you made while you were out has no effect.";
        assert_eq!(words(&back, &[], 1), (told.to_owned(), 1));
        assert_eq!(words(&back, &[], 2).1, 2);
        let viewer = words(&[(1, Role::Viewer), (2, Role::Owner)], &[], 2);
        assert!(viewer.0.contains("a member can post them again") && viewer.1 == 0, "{viewer:?}");
    }

    #[test]
    fn a_device_that_was_taken_away_does_nothing() {
        let mut workspace = Workspace::new(WorkspaceId([9; 32]));
        let lost = roster::Standing { role: Role::Owner, devices: vec![DeviceId([7; 32])] };
        workspace.set_roster(Roster { members: BTreeMap::from([(ME.person, lost)]), ..Roster::default() });
        let standing = Standing::of(&workspace, ME, None);
        assert!(!standing.may_edit() && standing.invite().is_err() && standing.leave().is_err());
    }
}
