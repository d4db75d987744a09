//! Who is in a workspace, and what each may do: list, change a role, remove, leave.
//!
//! What is asked becomes a control entry, and every device judges it by the same rule
//! ([`velo_protocol::access`]). So the answers here are those of this device's own roster, right
//! after the entry was written: others come to them when they hear of it.

use super::{
    ApiError, Json, answer,
    reference::{self, Precision},
    scope::Scope,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    access::Role,
    id::PersonId,
    replica::{Command, Reply},
    roster::{Parting, Roster},
    workspace::Workspace,
};

/// Actions on the people of a workspace.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// List who is in, with roles
    List(List),
    /// Give somebody another role, or let somebody in again
    Role(SetRole),
    /// Remove somebody
    Remove(Remove),
    /// Leave the workspace
    Leave(Leave),
    /// Post again what you did before you heard that you were out
    PostAgain(PostAgain),
    /// What there is to know before somebody is removed or leaves.
    #[command(skip)]
    About(About),
}

/// Lists people.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo member list\n  velo member list --all")]
pub struct List {
    /// Also who was in before
    #[arg(long)]
    #[serde(default)]
    pub all: bool,
}

/// Changes a role.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo member role Anna admin\n  velo member role Ben viewer\n\n\
    A viewer reads, a member writes, an admin lets members and viewers in and out, an owner appoints \
    admins and owners. Who was removed, or left, is let in again by giving them a role.")]
pub struct SetRole {
    /// Who, by name, part of it, or the start of the id
    pub person: String,
    /// What they may do from now on
    #[arg(value_enum)]
    pub role: RoleName,
}

/// Removes somebody.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo member remove Ben\n  velo member remove Ben --yes\n\n\
    What they wrote and this device has not seen has no effect, on every device. Open tickets are \
    withdrawn, since nobody knows which ones they saw. They keep what they have read.")]
pub struct Remove {
    /// Who, by name or the start of the id; part of the name will do where you are asked first
    pub person: String,
    /// Do not ask first
    #[arg(long)]
    #[serde(skip)]
    pub yes: bool,
}

/// Leaves.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo member leave\n  velo --workspace Workshop member leave --yes")]
pub struct Leave {
    /// Do not ask first
    #[arg(long)]
    #[serde(skip)]
    pub yes: bool,
}

/// Posts void work again.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo member post-again\n  velo member post-again --let-go\n\n\
    Who is removed, or leaves, hears of it on a further device only when a device of the workspace is met. \
    What was done there until then has no effect; `velo status` counts it. Once you are in again as a member, \
    this does it again, over what is there now. `velo undo` takes it back.")]
pub struct PostAgain {
    /// Let it go instead: it has no effect, and is not offered again
    #[arg(long)]
    #[serde(default)]
    pub let_go: bool,
}

/// Asks about somebody.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct About {
    /// Who, by name, part of it, or the start of the id; `None` for the person of this device.
    #[serde(default)]
    pub person: Option<String>,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// Appoints and removes admins, and the owners they appointed
    Owner,
    /// Makes tickets, lets members and viewers in and out
    Admin,
    /// Reads and writes
    Member,
    /// Reads
    Viewer,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Owner => Self::Owner,
            RoleName::Admin => Self::Admin,
            RoleName::Member => Self::Member,
            RoleName::Viewer => Self::Viewer,
        }
    }
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Admin => Self::Admin,
            Role::Member => Self::Member,
            Role::Viewer => Self::Viewer,
        }
    }
}

impl RoleName {
    /// What people call it.
    pub fn name(self) -> &'static str {
        Role::from(self).name()
    }

    /// `a member`, `an admin`.
    pub fn with_article(self) -> &'static str {
        Role::from(self).with_article()
    }
}

/// Why somebody is no longer in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Former {
    /// Removed by this person.
    Removed {
        /// The name shown.
        by: String,
    },
    /// Left.
    Left,
    /// What let them in was taken back: their ticket, or the role of who gave it.
    Undone,
}

impl Former {
    fn of(workspace: &Workspace, parting: Parting) -> Self {
        match parting {
            Parting::Removed(by) => Self::Removed { by: workspace.person_name(by) },
            Parting::Left => Self::Left,
            Parting::Undone => Self::Undone,
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Removed { by } => format!("removed by {by}"),
            Self::Left => "left".to_owned(),
            Self::Undone => "ticket withdrawn".to_owned(),
        }
    }
}

/// Somebody in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Who.
    pub person: PersonId,
    /// The name shown.
    pub name: String,
    /// By which people know them: see [`velo_protocol::fingerprint`].
    #[serde(default)]
    pub words: String,
    /// What they may do; `None` for who is not in.
    pub role: Option<RoleName>,
    /// How many devices act for them.
    pub devices: usize,
    /// Whether it is the person of this device.
    pub you: bool,
    /// Why they are no longer in, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Former>,
    /// Of the person of this device: what they did on it that has no effect because they were out, and
    /// that can be posted again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub without_effect: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks it so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What became of void work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Posted {
    /// Whether it was let go.
    pub let_go: bool,
    /// How many things that the person did it is about.
    pub changes: usize,
    /// How many operations were written; 0 if everything was so already.
    pub operations: usize,
    /// What was left alone, because it no longer fits.
    pub kept: Vec<String>,
}

/// What became of somebody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Changed {
    /// As they are now.
    #[serde(flatten)]
    pub member: MemberRow,
    /// The role before; `None` if they were not in.
    pub before: Option<RoleName>,
    /// How many open tickets were withdrawn with it.
    pub withdrawn: usize,
}

/// What there is to know before somebody is removed or leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AboutAnswer {
    /// The workspace's name.
    pub workspace: String,
    /// Who.
    pub member: MemberRow,
}

impl MemberRow {
    /// Somebody as they are now. `you` is the person of this device.
    pub fn of(workspace: &Workspace, person: PersonId, you: PersonId) -> Self {
        let roster = workspace.roster();
        let standing = roster.members.get(&person);
        Self {
            person,
            name: workspace.person_name(person),
            words: person.words(),
            role: standing.map(|standing| standing.role.into()),
            devices: standing.map_or(0, |standing| standing.devices.len()),
            you: person == you,
            former: roster.former.get(&person).map(|parting| Former::of(workspace, *parting)),
            without_effect: if person == you { workspace.void_work() } else { 0 },
        }
    }

    /// Everybody who is in, by name.
    pub fn all(workspace: &Workspace, you: PersonId) -> Vec<Self> {
        workspace.members().iter().map(|member| Self::of(workspace, member.person, you)).collect()
    }

    /// Everybody who was in, by name.
    fn former(workspace: &Workspace, you: PersonId) -> Vec<Self> {
        let former = workspace.roster().former.keys();
        let mut rows: Vec<_> = former.map(|person| Self::of(workspace, *person, you)).collect();
        rows.sort_by(|one, other| (&one.name, one.person).cmp(&(&other.name, other.person)));
        rows
    }
}

/// Carries out a request on the people of a workspace.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::List(List { all }) => {
            let (workspace, you) = (&scope.workspace, scope.node.person());
            let mut rows = MemberRow::all(workspace, you);
            if all {
                rows.extend(MemberRow::former(workspace, you));
            }
            answer(&rows)
        }
        Request::Role(request) => {
            let person = reference::person(&scope.workspace, &request.person, Precision::Part)?;
            answer(&change(scope, person, Some(request.role.into())).await?)
        }
        Request::Remove(request) => {
            let person = reference::person(&scope.workspace, &request.person, Precision::Whole)?;
            if person == scope.node.person() {
                let told = "that is you: `velo member leave` leaves the workspace";
                return Err(ApiError::Invalid(told.to_owned()));
            }
            remove(scope, person).await
        }
        Request::Leave(_) => {
            let person = scope.node.person();
            remove(scope, person).await
        }
        Request::PostAgain(PostAgain { let_go }) => answer(&post_again(scope, let_go).await?),
        Request::About(request) => about(&request, &scope),
    }
}

async fn post_again(mut scope: Scope<'_>, let_go: bool) -> Result<Posted, ApiError> {
    let (workspace, before) = (scope.id, scope.workspace.void_work());
    let command = if let_go { Command::LetGo { workspace } } else { Command::PostAgain { workspace } };
    match scope.submit(command).await? {
        Reply::Edited { operations, kept, .. } => {
            let changes = before.saturating_sub(scope.workspace.void_work());
            Ok(Posted { let_go, changes, operations, kept })
        }
        _ => Err(ApiError::Failed("the node answered something else".into())),
    }
}

fn about(request: &About, scope: &Scope<'_>) -> Result<Json, ApiError> {
    let (workspace, you) = (&scope.workspace, scope.node.person());
    let person = match request.person.as_deref() {
        Some(text) => reference::person(workspace, text, Precision::Part)?,
        None => you,
    };
    let member = MemberRow::of(workspace, person, you);
    answer(&AboutAnswer { workspace: workspace.name().to_owned(), member })
}

/// Takes away somebody's role.
async fn remove(scope: Scope<'_>, person: PersonId) -> Result<Json, ApiError> {
    let before = MemberRow::of(&scope.workspace, person, scope.node.person());
    if before.role.is_none() {
        let why = before.former.map(|former| format!(": {}", former.words())).unwrap_or_default();
        let who = if before.you { "you are".to_owned() } else { format!("{} is", before.name) };
        return Err(ApiError::Refused(format!("{who} not in this workspace{why}")));
    }
    if scope.workspace.roster().members.len() == 1 {
        let told = "you are the only one in this workspace: nobody could let you in again";
        return Err(ApiError::Refused(told.to_owned()));
    }
    answer(&change(scope, person, None).await?)
}

async fn change(mut scope: Scope<'_>, person: PersonId, role: Option<Role>) -> Result<Changed, ApiError> {
    let open = |roster: &Roster| roster.invites.len();
    let (roster, workspace) = (scope.workspace.roster(), scope.id);
    let (before, tickets) = (roster.role_of(person).map(RoleName::from), open(roster));
    scope.submit(Command::SetRole { workspace, person, role }).await?;
    let member = MemberRow::of(&scope.workspace, person, scope.node.person());
    // Leaving withdraws nothing: tickets of who left go with them.
    let withdrawn = tickets.saturating_sub(open(scope.workspace.roster()));
    Ok(Changed { member, before, withdrawn })
}
