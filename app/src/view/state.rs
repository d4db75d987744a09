//! Where the person is in the app: the page, what is open, what has the cursor.

use super::{
    attachments::Attachments,
    board::{Board, Of, Stack},
    card::Cards,
    detail::Detail,
    doctor::{Diagnostics, Doctor},
    keys::KeysDialog,
    onboarding::Onboarding,
    personal::DraftKeeper,
    phrase::{self, Phrase},
    picker::Picker,
    picture::PictureField,
    qr::Qr,
    storage::StorageDialog,
    story::Story,
    toast::Toasts,
};
use std::{collections::BTreeSet, rc::Rc};
use velo_protocol::{
    access::Role,
    id::{DeviceId, EntityId, OpId, PersonId, WorkspaceId},
    ticket::Ticket,
};

/// What fills the window beside the sidebar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// A project, as board or list.
    #[default]
    Project,
    /// The tasks that stand in no project.
    WithoutProject,
    /// Fields with several values.
    Conflicts,
    /// Everybody of the workspace.
    Members,
    /// The other devices.
    Peers,
}

impl Page {
    /// Whether it shows tasks, one of which can be open beside them.
    pub const fn has_tasks(self) -> bool {
        matches!(self, Self::Project | Self::WithoutProject)
    }
}

/// How a project is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Columns of cards.
    #[default]
    Board,
    /// Rows under headings.
    List,
}

/// A small window over everything that asks for something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Dialog {
    /// None is open.
    #[default]
    None,
    /// A new task; into this column if one is given.
    QuickAdd {
        /// The column; the project's first if `None`.
        column: Option<EntityId>,
        /// What has been typed.
        text: String,
    },
    /// Names something new, or anew.
    Name {
        /// What for.
        purpose: NamePurpose,
        /// What has been typed.
        text: String,
        /// The operations behind the name that was shown when typing began.
        seen: Vec<OpId>,
    },
    /// Makes an invitation and shows it.
    Invite(Invite),
    /// Asks whether something that cannot be undone is meant.
    Confirm(Confirm),
    /// Joins by ticket.
    Join {
        /// What has been typed.
        text: String,
        /// What is wrong with it.
        problem: Option<String>,
    },
    /// Dials an address.
    AddPeer {
        /// What has been typed.
        text: String,
        /// What is wrong with it.
        problem: Option<String>,
    },
    /// Has a relay carry the workspace.
    AddRelay {
        /// What has been typed.
        text: String,
        /// What is wrong with it.
        problem: Option<String>,
    },
    /// Takes in another device of the person.
    Link(Link),
    /// Shows the 24 words, and has them typed in.
    Phrase(Phrase),
    /// How the keys of this device are kept, and the passphrase over them.
    Keys(KeysDialog),
    /// What takes up space on this device.
    Storage(StorageDialog),
    /// What is between this device and every other.
    Doctor(Doctor),
    /// The file that helps to find a fault.
    Diagnostics(Diagnostics),
    /// All keys.
    Shortcuts,
}

/// The code of another device, and how far taking it in is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// What has been typed.
    pub text: String,
    /// What is wrong with it, or why the device was not taken in.
    pub problem: Option<String>,
    /// How far it is.
    pub step: LinkStep,
}

/// How far taking in a device is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LinkStep {
    /// The code is asked for.
    #[default]
    Asking,
    /// The device is looked for.
    Looking,
    /// It was taken in.
    Done,
}

/// A ticket in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// What who joins with it may do.
    pub role: Role,
    /// How many days it can be used.
    pub days: u64,
    /// How far it is.
    pub step: InviteStep,
}

/// How far a ticket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InviteStep {
    /// Its role and time are being chosen.
    Choosing,
    /// It was asked for.
    Making,
    /// Here it is.
    Made {
        /// The ticket.
        ticket: Box<Ticket>,
        /// Its text.
        text: String,
        /// The text as a QR code; `None` if it is too long for one.
        qr: Option<Qr>,
    },
}

impl Invite {
    /// How many days a ticket can be used: the choices.
    pub const DAYS: [u64; 3] = [1, 7, 30];
}

impl Default for Invite {
    fn default() -> Self {
        Self { role: Role::Member, days: 7, step: InviteStep::Choosing }
    }
}

/// What is to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// Removing somebody.
    Remove(PersonId),
    /// Leaving the workspace.
    Leave,
    /// Taking a lower role.
    StepDown(Role),
    /// Taking a device from oneself.
    Unlink(DeviceId),
    /// Letting go of so many changes made while one was out.
    LetGo(usize),
    /// Removing the workspace shown from this device.
    Forget,
}

/// What a name is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamePurpose {
    /// A new project.
    Project,
    /// A project's new name.
    RenameProject(EntityId),
    /// A new column of a project.
    Column(EntityId),
    /// A column's new name.
    RenameColumn(EntityId),
    /// A new workspace.
    Workspace,
}

/// What the person prefers. Kept between starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// The theme; the system's if `None`.
    pub dark: Option<bool>,
    /// How projects are shown.
    pub layout: Layout,
    /// The workspace shown last.
    pub workspace: Option<WorkspaceId>,
    /// The project shown last.
    pub project: Option<EntityId>,
    /// Whether the others do not see that the person is here.
    pub hidden: bool,
}

/// The card being dragged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dragged {
    /// Which task.
    pub task: EntityId,
    /// Where in the card it was taken hold of.
    pub grip: (f32, f32),
}

/// Heights of the board's cards at one revision.
#[derive(Debug, Default)]
pub struct Stacks {
    /// The revision and project they belong to.
    pub of: Option<(u64, i32, Of)>,
    /// One for each column.
    pub columns: Vec<Rc<Stack>>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct View {
    /// What fills the window.
    pub page: Page,
    /// What the person prefers.
    pub preferences: Preferences,
    /// The project, or the tasks in none, at the last frame.
    pub board: Board,
    /// Cards that have been read.
    pub cards: Cards,
    /// Their heights.
    pub stacks: Stacks,
    /// The task that has the keyboard's attention.
    pub cursor: Option<EntityId>,
    /// Whether the cursor has to be brought into view.
    pub reveal: bool,
    /// The task whose detail is open.
    pub open: Option<EntityId>,
    /// What is being typed about it.
    pub detail: Detail,
    /// Keeps the comment that is being written about it.
    pub draft: DraftKeeper,
    /// Its comments that had not been read when it was opened.
    pub unread: BTreeSet<EntityId>,
    /// What happened to it.
    pub story: Story,
    /// Whether those who are no longer in are shown.
    pub shows_former: bool,
    /// Which conflict is looked at.
    pub conflict: usize,
    /// The first start.
    pub onboarding: Onboarding,
    /// The dialog over everything.
    pub dialog: Dialog,
    /// Dialogs whose content was refused: they open again as soon as nothing else is open.
    pub returned: Vec<Dialog>,
    /// The way in for a picture of what is asked for.
    pub picture: PictureField,
    /// A list to choose from, over everything.
    pub picker: Option<Picker>,
    /// The card being dragged.
    pub dragged: Option<Dragged>,
    /// The attachments of the open task.
    pub attachments: Attachments,
    /// Messages in the corner.
    pub toasts: Toasts,
    /// The first key of a sequence such as G B, and when it was pressed.
    pub lead: Option<(egui::Key, u64)>,
}

impl Dialog {
    /// Asks for a name.
    pub const fn name(purpose: NamePurpose, text: String) -> Self {
        Self::Name { purpose, text, seen: Vec::new() }
    }

    /// The same dialog, saying why what was typed was refused. Whether it has room for that.
    pub fn complain(&mut self, words: &str) -> bool {
        match self {
            Self::Join { problem, .. } | Self::AddPeer { problem, .. } | Self::AddRelay { problem, .. } => {
                *problem = Some(words.to_owned());
                true
            }
            Self::Link(link) => {
                (link.problem, link.step) = (Some(words.to_owned()), LinkStep::Asking);
                true
            }
            Self::Keys(keys) => {
                keys.complain(words);
                true
            }
            Self::Phrase(phrase) => {
                phrase.problem = Some(words.to_owned());
                phrase.step = match phrase.step {
                    phrase::Step::Comparing => phrase::Step::Typing,
                    _ => phrase::Step::Told,
                };
                true
            }
            _ => false,
        }
    }
}

impl View {
    /// The task that commands act on: the open one, or the one under the cursor. On pages without
    /// tasks there is none: what is not seen must not be changed.
    pub fn target(&self) -> Option<EntityId> {
        self.open.or(self.cursor).filter(|_| self.page.has_tasks())
    }

    /// Whether something over the page takes the keys.
    pub fn is_covered(&self) -> bool {
        self.dialog != Dialog::None || self.picker.is_some()
    }
}
