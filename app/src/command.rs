//! Everything the app can do is an [`AppCommand`]; names, keys and icons stand in one table.
//!
//! Panels and keys only say which command; [`crate::app`] carries it out.

use crate::{
    icons,
    view::{
        board::Place,
        doctor::Diagnostics,
        phrase::Words,
        picker::Subject,
        picture::{Picture, Wanted},
        quick_add::Draft,
        relay::RelayLine,
        secret::Secret,
        state::{Confirm, Dialog, Layout, NamePurpose, Page},
    },
};
use egui::{Key, Modifiers};
use std::{fmt, path::PathBuf};
use velo_protocol::{
    access::Role,
    change::Change,
    id::{DeviceId, EntityId, EntryId, OpId, PersonId, WorkspaceId},
    link_code::LinkCode,
    model::EntityKey,
    replica::Fetching,
    root::Root,
    ticket::Ticket,
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppCommand {
    /// Shows a project.
    ShowProject(EntityId),
    /// Shows another workspace.
    ShowWorkspace(WorkspaceId),
    /// Shows a page.
    ShowPage(Page),
    /// Shows projects in another way.
    ShowLayout(Layout),
    /// Opens a task's detail.
    Open(EntityId),
    /// Closes the detail, or whatever lies on top.
    Close,
    /// Moves the cursor: columns across, places down.
    Step(isize, isize),
    /// Moves the task under the cursor.
    Shift(isize, isize),
    /// The task that is open or under the cursor.
    ForTarget(TaskCommand),
    /// One task.
    ForTask(EntityId, TaskCommand),
    /// Lists commands, projects and tasks.
    OpenPalette,
    /// Searches tasks.
    OpenSearch,
    /// Lists values to choose from, hanging at a place of the window.
    Pick(Subject, Option<(i32, i32)>),
    /// Opens a dialog.
    OpenDialog(Dialog),
    /// Changes entities; `done` is said afterwards unless it is empty.
    Edit {
        /// What.
        changes: Vec<Change>,
        /// What to say.
        done: String,
    },
    /// Makes a task.
    AddTask {
        /// What was understood.
        draft: Draft,
        /// What was typed.
        text: String,
        /// The column; the first of the project if `None`.
        column: Option<EntityId>,
    },
    /// Makes something that has a name, or renames it.
    AddNamed {
        /// What for.
        purpose: NamePurpose,
        /// The name.
        name: String,
        /// The operations behind the name it replaces.
        seen: Vec<OpId>,
    },
    /// Saves what has been typed into the open task.
    SaveTyped,
    /// Moves a task.
    Move(EntityId, Place),
    /// Brings something deleted back.
    Restore(EntityKey),
    /// Takes the last own change back.
    Undo,
    /// Makes it again.
    Redo,
    /// Posts again what has no effect because the person was out.
    PostAgain,
    /// Lets that go.
    LetGo,
    /// Removes the workspace shown from this device.
    Forget,
    /// Founds the first workspace.
    Found {
        /// Its name.
        workspace: String,
        /// The person's; empty if they did not say.
        person: String,
        /// Whether to fill it with the sample board.
        sample: bool,
    },
    /// Joins a workspace.
    Join {
        /// The invitation.
        ticket: Ticket,
        /// The person's name.
        person: String,
    },
    /// Asks what an invitation should give.
    Invite,
    /// Makes an invitation.
    MakeTicket {
        /// What it gives.
        role: Role,
        /// How many days it can be used.
        days: u64,
    },
    /// Withdraws an invitation.
    Withdraw(EntryId),
    /// Gives somebody another role; `None` removes them, or leaves.
    SetRole(PersonId, Option<Role>),
    /// Takes a device from the person at this one.
    Unlink(DeviceId),
    /// Takes in another device of the person.
    Link(LinkCode),
    /// Makes the code of this new device.
    ShowLinkCode,
    /// Brings a person back to this new device.
    Recover {
        /// What their 24 words stand for.
        root: Root,
        /// Where a device of their team may be reached; empty for the same network.
        address: String,
    },
    /// Asks for the 24 words.
    ShowPhrase,
    /// Says that these are the 24 words.
    ConfirmPhrase(Words),
    /// Shows how the keys of this device are kept.
    ShowKeys,
    /// Puts the keys of this device under another passphrase, or under none.
    SetPassphrase {
        /// The passphrase there is.
        now: Option<Secret>,
        /// The one there is to be.
        new: Option<Secret>,
    },
    /// Shows what takes up space on this device.
    ShowStorage,
    /// Drops the content of deleted attachments.
    CleanStorage,
    /// Chooses when content is fetched from other devices.
    SetFetching(Fetching),
    /// Fetches the content of an attachment from other devices.
    FetchContent(EntityId),
    /// Saves it to a file.
    SaveContent(EntityId),
    /// Looks for a code in a picture.
    ReadPicture(Wanted, Picture),
    /// Connects to an address.
    Dial(String),
    /// Has a relay carry the workspace shown.
    AddRelay(RelayLine),
    /// Compares with every peer now.
    SyncNow,
    /// Switches automatic sync of the workspace shown.
    SetAutoSync(bool),
    /// Looks at what is between this device and every other.
    Doctor,
    /// Writes the diagnostics file.
    Diagnose,
    /// Whether the others see that the person is here, and what they look at.
    HidePresence(bool),
    /// Makes the open task, or else the project shown, a favourite, or none any more.
    Favourite,
    /// The same with something else.
    ToggleFavourite(EntityKey),
    /// Dark to light and back.
    ToggleTheme,
    /// To the clipboard; the second says what it was.
    Copy(String, &'static str),
    /// Takes a message away.
    Dismiss(usize),
}

/// What can be done with one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskCommand {
    /// Opens it.
    Open,
    /// Chooses its status.
    Status,
    /// Chooses its priority.
    Priority,
    /// Chooses who does it.
    Assign,
    /// The person at this device does it, or no longer.
    AssignMe,
    /// Chooses its labels.
    Label,
    /// Makes a label and puts it on.
    NewLabel(String),
    /// Chooses its due date.
    Due,
    /// Chooses its project.
    Project,
    /// Edits its title.
    Edit,
    /// Copies its id.
    CopyId,
    /// Deletes it.
    Delete,
    /// Adds a line to its checklist.
    AddItem(String),
    /// Adds a comment.
    AddComment(String),
    /// Attaches files.
    Attach(Vec<PathBuf>),
}

/// What somebody must be allowed for a command. See [`crate::view::standing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It only shows something, or the workspace is another one.
    Nothing,
    /// Changing tasks, projects, and everything in them.
    Edit,
    /// Making and withdrawing tickets.
    Invite,
    /// Removing the workspace from this device: not being in.
    Forget,
}

impl AppCommand {
    /// What it takes. Giving and taking roles depends on whose: [`crate::view::members`] offers it.
    pub fn need(&self) -> Need {
        match self {
            Self::ForTarget(command) | Self::ForTask(_, command) => command.need(),
            Self::Pick(Subject::Everything | Subject::Tasks, _)
            | Self::OpenDialog(Dialog::Name { purpose: NamePurpose::Workspace, .. })
            | Self::AddNamed { purpose: NamePurpose::Workspace, .. } => Need::Nothing,
            Self::Pick(..)
            | Self::OpenDialog(Dialog::QuickAdd { .. } | Dialog::Name { .. })
            | Self::AddNamed { .. }
            | Self::AddTask { .. }
            | Self::Edit { .. }
            | Self::Move(..)
            | Self::Shift(..)
            | Self::Restore(_)
            | Self::Undo
            | Self::Redo
            | Self::PostAgain
            | Self::LetGo => Need::Edit,
            Self::Invite | Self::MakeTicket { .. } | Self::Withdraw(_) => Need::Invite,
            Self::Forget | Self::OpenDialog(Dialog::Confirm(Confirm::Forget)) => Need::Forget,
            _ => Need::Nothing,
        }
    }
}

impl TaskCommand {
    fn need(&self) -> Need {
        if matches!(self, Self::Open | Self::CopyId) { Need::Nothing } else { Need::Edit }
    }
}

/// Keys that give a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// Control, or ⌘ on a Mac.
    pub control: bool,
    /// Shift.
    pub shift: bool,
    /// A key to press before it.
    pub lead: Option<Key>,
    /// The key.
    pub key: Key,
}

impl Keys {
    const fn one(key: Key) -> Self {
        Self { control: false, shift: false, lead: None, key }
    }

    const fn control(key: Key) -> Self {
        Self { control: true, ..Self::one(key) }
    }

    const fn control_shift(key: Key) -> Self {
        Self { shift: true, ..Self::control(key) }
    }

    const fn after_g(key: Key) -> Self {
        Self { lead: Some(Key::G), ..Self::one(key) }
    }

    /// Whether a press of `key` gives the command, with the key pressed before it.
    pub fn is_pressed(self, key: Key, modifiers: Modifiers, lead: Option<Key>) -> bool {
        // What shift does to a sign is part of the sign: `?` is shift and something.
        let sign = matches!(self.key, Key::Questionmark | Key::Slash | Key::Period);
        key == self.key
            && lead == self.lead
            && modifiers.command == self.control
            && !modifiers.alt
            && (sign || modifiers.shift == self.shift)
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.control {
            f.write_str(if cfg!(target_os = "macos") { "⌘" } else { "Ctrl+" })?;
        }
        if self.shift {
            f.write_str("Shift+")?;
        }
        if let Some(lead) = self.lead {
            write!(f, "{} ", lead.name())?;
        }
        f.write_str(match self.key {
            Key::Questionmark => "?",
            Key::Slash => "/",
            Key::Period => ".",
            Key::ArrowUp => "↑",
            Key::ArrowDown => "↓",
            Key::ArrowLeft => "←",
            Key::ArrowRight => "→",
            key => key.name(),
        })
    }
}

/// A command that has a name: in the palette, in tooltips, in the list of keys.
#[derive(Debug, Clone)]
pub struct Named {
    /// The command.
    pub command: AppCommand,
    /// Its name.
    pub name: &'static str,
    /// Its keys.
    pub keys: Option<Keys>,
    /// Its icon.
    pub icon: &'static str,
}

const fn named(command: AppCommand, name: &'static str, keys: Keys, icon: &'static str) -> Named {
    Named { command, name, keys: Some(keys), icon }
}

const fn unbound(command: AppCommand, name: &'static str, icon: &'static str) -> Named {
    Named { command, name, keys: None, icon }
}

/// Every command that has a name, in the order of the palette.
pub static NAMED: &[Named] = &[
    named(AppCommand::OpenPalette, "Command palette", Keys::control(Key::K), icons::SEARCH),
    named(
        AppCommand::OpenDialog(Dialog::QuickAdd { column: None, text: String::new() }),
        "New task",
        Keys::one(Key::C),
        icons::PLUS,
    ),
    named(AppCommand::OpenSearch, "Search tasks", Keys::one(Key::Slash), icons::SEARCH),
    named(AppCommand::ForTarget(TaskCommand::Status), "Set status", Keys::one(Key::S), icons::CONTRAST),
    named(
        AppCommand::ForTarget(TaskCommand::Priority),
        "Set priority",
        Keys::one(Key::P),
        icons::SIGNAL_HIGH,
    ),
    named(AppCommand::ForTarget(TaskCommand::Assign), "Assign", Keys::one(Key::A), icons::USER_PLUS),
    named(AppCommand::ForTarget(TaskCommand::AssignMe), "Assign to me", Keys::one(Key::I), icons::USER),
    named(AppCommand::ForTarget(TaskCommand::Label), "Labels", Keys::one(Key::L), icons::TAG),
    named(AppCommand::ForTarget(TaskCommand::Due), "Set due date", Keys::one(Key::D), icons::CALENDAR),
    named(AppCommand::ForTarget(TaskCommand::Edit), "Edit title", Keys::one(Key::E), icons::PENCIL),
    named(
        AppCommand::ForTarget(TaskCommand::Project),
        "Move to project",
        Keys::one(Key::M),
        icons::ARROW_RIGHT,
    ),
    named(AppCommand::ForTarget(TaskCommand::CopyId), "Copy id", Keys::one(Key::Period), icons::COPY),
    named(AppCommand::ForTarget(TaskCommand::Delete), "Delete task", Keys::one(Key::Delete), icons::TRASH_2),
    named(AppCommand::Favourite, "Favourite", Keys::one(Key::F), icons::STAR),
    named(AppCommand::Undo, "Undo", Keys::control(Key::Z), icons::UNDO_2),
    named(AppCommand::Redo, "Redo", Keys::control_shift(Key::Z), icons::REDO_2),
    named(AppCommand::ShowLayout(Layout::Board), "Board", Keys::after_g(Key::B), icons::SQUARE_KANBAN),
    named(AppCommand::ShowLayout(Layout::List), "List", Keys::after_g(Key::L), icons::ROWS_3),
    named(AppCommand::ShowPage(Page::Conflicts), "Conflicts", Keys::after_g(Key::X), icons::GIT_MERGE),
    named(AppCommand::ShowPage(Page::Members), "Members", Keys::after_g(Key::M), icons::USERS),
    named(AppCommand::ShowPage(Page::Peers), "Peers", Keys::after_g(Key::P), icons::MONITOR),
    unbound(AppCommand::ShowPage(Page::WithoutProject), "Tasks without project", icons::FOLDER_X),
    unbound(
        AppCommand::OpenDialog(Dialog::name(NamePurpose::Project, String::new())),
        "New project",
        icons::FOLDER_KANBAN,
    ),
    unbound(
        AppCommand::OpenDialog(Dialog::name(NamePurpose::Workspace, String::new())),
        "New workspace",
        icons::PLUS,
    ),
    unbound(AppCommand::Pick(Subject::Deleted, None), "Restore a deleted task", icons::ARCHIVE_RESTORE),
    unbound(AppCommand::Invite, "Invite somebody", icons::TICKET),
    unbound(
        AppCommand::OpenDialog(Dialog::Join { text: String::new(), problem: None }),
        "Join by ticket",
        icons::LOG_IN,
    ),
    unbound(
        AppCommand::OpenDialog(Dialog::AddPeer { text: String::new(), problem: None }),
        "Add peer by address",
        icons::RADIO_TOWER,
    ),
    unbound(
        AppCommand::OpenDialog(Dialog::AddRelay { text: String::new(), problem: None }),
        "Add a relay",
        icons::SERVER,
    ),
    unbound(AppCommand::SyncNow, "Sync now", icons::REFRESH_CW),
    unbound(AppCommand::Doctor, "Connection doctor", icons::STETHOSCOPE),
    unbound(
        AppCommand::OpenDialog(Dialog::Diagnostics(Diagnostics::Told)),
        "Diagnostics file",
        icons::FILE_DOWN,
    ),
    unbound(
        AppCommand::OpenDialog(Dialog::Confirm(Confirm::Forget)),
        "Remove this workspace from this device",
        icons::TRASH_2,
    ),
    unbound(AppCommand::ShowKeys, "Keys of this device", icons::KEY_ROUND),
    unbound(AppCommand::ShowStorage, "Storage on this device", icons::HARD_DRIVE),
    unbound(AppCommand::ToggleTheme, "Switch between dark and light", icons::SUN),
    named(
        AppCommand::OpenDialog(Dialog::Shortcuts),
        "Keyboard shortcuts",
        Keys::one(Key::Questionmark),
        icons::KEYBOARD,
    ),
];

/// Keys without a name of their own: moving about.
const MOVES: &[(Keys, AppCommand)] = &[
    (Keys::one(Key::J), AppCommand::Step(0, 1)),
    (Keys::one(Key::K), AppCommand::Step(0, -1)),
    (Keys::one(Key::ArrowDown), AppCommand::Step(0, 1)),
    (Keys::one(Key::ArrowUp), AppCommand::Step(0, -1)),
    (Keys::one(Key::ArrowRight), AppCommand::Step(1, 0)),
    (Keys::one(Key::ArrowLeft), AppCommand::Step(-1, 0)),
    (Keys::control_shift(Key::ArrowDown), AppCommand::Shift(0, 1)),
    (Keys::control_shift(Key::ArrowUp), AppCommand::Shift(0, -1)),
    (Keys::control_shift(Key::ArrowRight), AppCommand::Shift(1, 0)),
    (Keys::control_shift(Key::ArrowLeft), AppCommand::Shift(-1, 0)),
    (Keys::one(Key::Enter), AppCommand::ForTarget(TaskCommand::Open)),
    (Keys::one(Key::Escape), AppCommand::Close),
];

/// What a press of a key means. `lead` is the key pressed right before it.
pub fn of_key(key: Key, modifiers: Modifiers, lead: Option<Key>) -> Option<&'static AppCommand> {
    let named = NAMED.iter().filter_map(|named| named.keys.map(|keys| (keys, &named.command)));
    let moves = MOVES.iter().map(|(keys, command)| (*keys, command));
    named.chain(moves).find(|(keys, _)| keys.is_pressed(key, modifiers, lead)).map(|(_, command)| command)
}

/// Whether a key starts a sequence.
pub fn is_lead(key: Key) -> bool {
    NAMED.iter().any(|named| named.keys.is_some_and(|keys| keys.lead == Some(key)))
}

/// A command's entry in the table.
pub fn entry(command: &AppCommand) -> Option<&'static Named> {
    NAMED.iter().find(|named| named.command == *command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_keys_are_given_twice() {
        for (at, one) in NAMED.iter().enumerate() {
            for other in &NAMED[at + 1..] {
                assert!(one.keys.is_none() || one.keys != other.keys, "{} and {}", one.name, other.name);
                assert_ne!(one.name, other.name);
            }
        }
    }

    #[test]
    fn keys_are_found_and_written_as_people_know_them() {
        let control = Modifiers { ctrl: true, command: true, ..Modifiers::NONE };
        assert_eq!(of_key(Key::K, control, None), Some(&AppCommand::OpenPalette));
        assert_eq!(of_key(Key::K, Modifiers::NONE, None), Some(&AppCommand::Step(0, -1)));
        assert_eq!(
            of_key(Key::B, Modifiers::NONE, Some(Key::G)),
            Some(&AppCommand::ShowLayout(Layout::Board))
        );
        assert_eq!(of_key(Key::B, Modifiers::NONE, None), None);
        assert_eq!(
            of_key(Key::Questionmark, Modifiers::SHIFT, None),
            Some(&AppCommand::OpenDialog(Dialog::Shortcuts))
        );
        assert_eq!(Keys::control_shift(Key::Z).to_string(), "Ctrl+Shift+Z");
        assert_eq!(Keys::after_g(Key::P).to_string(), "G P");
    }
}
