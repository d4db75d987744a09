//! What goes in and out of the replica.

use super::{
    bundle::{Brought, Carried, ExportCursor},
    event::Event,
    taking::RunAnswer,
};
use crate::{
    access::Role,
    bundle::{BundleError, Head, PartNo, Portion},
    change::Change,
    control::Introduction,
    crypto::{LinkCert, SecretKey},
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    keys::{secret::EpochKey, wrap::ReceivingKey},
    link_code::LinkCode,
    log::{Origin, Run},
    message::CarryOffer,
    model::EntityKey,
    presence::Doing,
    private::PrivateWorkspace,
    root::{RecoveryKey, Root},
    store::Batch,
    ticket::{SessionSecret, Ticket},
};

/// Who this device is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The person.
    pub person: PersonId,
    /// The device's signing key; also its libp2p identity.
    pub device: SecretKey,
    /// The device's key for receiving content keys.
    pub receiving: ReceivingKey,
    /// The person's: whoever wraps a content key wraps it to this one too.
    pub recovery: RecoveryKey,
    /// From the person's root to this device.
    pub chain: Vec<LinkCert>,
    /// What the person's devices share with nobody else. Made-up devices may do without.
    pub private: Option<Box<PrivateWorkspace>>,
    /// Whether others read what this device stores, such as another relay on its database: then what it writes
    /// is signed at once, and not when it leaves.
    pub shares_store: bool,
}

impl Identity {
    /// A device that the root itself links: a person's first one, or one made from their phrase.
    pub fn under_root(root: &Root, device: SecretKey, receiving: ReceivingKey) -> Self {
        let person = root.person();
        let link = LinkCert::issue(person, &root.signing_key(), &device, receiving.public().0);
        let (recovery, private) = (root.recovery_key(), Some(Box::new(root.private_workspace())));
        Self { person, device, receiving, recovery, chain: vec![link], private, shares_store: false }
    }

    /// The same, all drawn from two seeds, without a private workspace: for simulations, generated traces
    /// and tests.
    pub fn from_seeds(root: [u8; 32], device: &[u8; 32]) -> Self {
        let receiving = blake3::derive_key("velo 2026 receiving key of a made-up device", device);
        let receiving = ReceivingKey::from_seed(&receiving);
        let identity = Self::under_root(&Root::from_seed(root), SecretKey::from_seed(device), receiving);
        Self { private: None, ..identity }
    }

    /// This device.
    pub fn device_id(&self) -> DeviceId {
        DeviceId(self.device.public())
    }

    /// What others have to know of the person and this device.
    pub fn introduction(&self) -> Introduction {
        Introduction { chain: self.chain.clone(), recovery: self.recovery }
    }
}

/// What a device must remember of a workspace besides its log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WorkspaceRecord {
    /// Which.
    pub id: WorkspaceId,
    /// For authenticating to peers.
    pub secret: SessionSecret,
    /// The own log that is written to.
    pub origin: Origin,
    /// Whether to sync by itself, or only when a person asks.
    pub auto_sync: bool,
    /// When this device fetches the content of attachments.
    #[serde(default)]
    pub fetching: Fetching,
    /// How this device came in.
    pub way: Way,
    /// Keys that came under receiving keys which are gone, and by no other way.
    pub keys: Vec<EpochKey>,
}

impl WorkspaceRecord {
    /// Of a workspace that is new here: it syncs by itself, and fetches what is small.
    pub fn new(id: WorkspaceId, secret: SessionSecret, origin: Origin, way: Way) -> Self {
        Self { id, secret, origin, auto_sync: true, fetching: Fetching::default(), way, keys: Vec::new() }
    }
}

/// When a device fetches the content of attachments from its peers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fetching {
    /// All of it, as soon as a peer has it.
    Always,
    /// What somebody looks at, and small ones in advance.
    #[default]
    Viewed,
    /// Only what somebody asks for: the line costs money.
    Metered,
}

/// How a device came into a workspace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Way {
    /// It founded it.
    Founded,
    /// With a ticket. Its keys stay useful: what was written before others knew of this device can be
    /// read with them.
    Invited(Box<Invited>),
    /// As a further device of a member.
    Linked {
        /// The secret half of the person's recovery key, where the phrase brought the device in, until
        /// others have shared a key with it.
        recovery: Option<SessionSecret>,
    },
    /// As a relay: it was asked to carry what it cannot read. Should its root be given a role, it goes on
    /// as a device of that member.
    Carried {
        /// How many bytes of entries and of blobs it keeps. None: as many as there are.
        room: Option<u64>,
    },
}

impl Way {
    /// The ticket in use.
    pub fn invited(&self) -> Option<&Invited> {
        if let Self::Invited(invited) = self { Some(invited) } else { None }
    }
}

/// A ticket in use.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Invited {
    /// The ticket.
    pub ticket: Ticket,
    /// The name under which its holder joins.
    pub person_name: String,
    /// Tickets tried before it, which were refused. What one of them opened is shown already.
    #[serde(default)]
    pub earlier: Vec<Ticket>,
}

/// What [`crate::replica::Replica::open_workspace`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Opened {
    /// The workspace, open.
    Workspace,
    /// A record without a log: a crash came between remembering the workspace and its first durable
    /// entry. Nobody was told of it, and it cannot be completed: the driver drops the record.
    Nothing,
}

/// Ties a [`Output::Reply`] to its command. Chosen by the caller.
pub type RequestId = u64;
/// Ties [`Input::Persisted`] to its batch.
pub type BatchId = u64;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Founds a workspace.
    CreateWorkspace {
        /// Its name.
        name: String,
        /// The founder's name.
        person_name: String,
    },
    /// Joins one.
    Join {
        /// The invitation.
        ticket: Ticket,
        /// The joiner's name.
        person_name: String,
    },
    /// Makes a ticket.
    Invite {
        /// To which workspace.
        workspace: WorkspaceId,
        /// What who joins with it may do; at most [`Role::Member`].
        role: Role,
        /// Whether it is for one person.
        single_use: bool,
        /// Until when: milliseconds since the Unix epoch.
        expires_ms: u64,
        /// Where this device or a relay may be reached.
        addresses: Vec<String>,
    },
    /// Withdraws a ticket.
    Revoke {
        /// Of which workspace.
        workspace: WorkspaceId,
        /// The `Invite` entry.
        invite: EntryId,
    },
    /// Gives somebody another role: more by a grant, less by a cap. `None` removes; on oneself that
    /// is leaving.
    SetRole {
        /// Where.
        workspace: WorkspaceId,
        /// Whose.
        person: PersonId,
        /// What they may do from now on.
        role: Option<Role>,
    },
    /// Takes a device from this person, in every workspace.
    Unlink {
        /// Which.
        device: DeviceId,
        /// The person's root, from their phrase: with it the device may be any of theirs, without it one
        /// that this device took in.
        root: Option<Root>,
    },
    /// Shows a code with which another device of the person takes this one in.
    ShowLinkCode {
        /// Where this device may be reached.
        addresses: Vec<String>,
    },
    /// Takes in the device that shows this code.
    Link {
        /// The code.
        code: LinkCode,
    },
    /// Brings a person back to this new device: any peer tells which workspaces are theirs.
    Recover {
        /// From the phrase.
        root: Root,
    },
    /// Has a relay carry a workspace, and tells the others of it. Answered when it agreed.
    AddRelay {
        /// Which workspace.
        workspace: WorkspaceId,
        /// The relay's device.
        relay: DeviceId,
        /// Where it is reached: a libp2p multiaddress.
        address: String,
        /// What its operator gave out; empty if nothing.
        token: String,
    },
    /// Serves a relay no more. What it has it keeps.
    RemoveRelay {
        /// Of which workspace.
        workspace: WorkspaceId,
        /// Its root.
        root: PersonId,
    },
    /// Changes entities, as one transaction.
    Edit {
        /// Where.
        workspace: WorkspaceId,
        /// What.
        changes: Vec<Change>,
    },
    /// Takes back the last own transaction that was not taken back.
    Undo {
        /// Where.
        workspace: WorkspaceId,
    },
    /// Makes the last one taken back again.
    Redo {
        /// Where.
        workspace: WorkspaceId,
    },
    /// Posts again, as one transaction, what has no effect because its author was out.
    PostAgain {
        /// Where.
        workspace: WorkspaceId,
    },
    /// Lets that go: it is not offered again.
    LetGo {
        /// Where.
        workspace: WorkspaceId,
    },
    /// Takes a workspace off this device where its person is not in: it is forgotten here, for good.
    Forget {
        /// Which.
        workspace: WorkspaceId,
        /// Also if the person left and nobody heard of it, nor perhaps of what they did before.
        unsent: bool,
    },
    /// Begins to write a workspace into a bundle.
    BeginExport {
        /// Which.
        workspace: WorkspaceId,
        /// Leaves out what this device is known to have.
        since: Option<DeviceId>,
    },
    /// Makes the next part of a bundle.
    Export {
        /// Of which workspace.
        workspace: WorkspaceId,
        /// How far it is.
        cursor: Box<ExportCursor>,
        /// What goes into it.
        what: Carried,
    },
    /// Takes in a part of a bundle.
    Import {
        /// How the bundle starts.
        head: Head,
        /// Where the part stands.
        at: PartNo,
        /// Its cipher text.
        part: Vec<u8>,
    },
    /// Takes runs that a device brings by another way than a session.
    TakeRuns {
        /// Of which workspace.
        workspace: WorkspaceId,
        /// Who brings them, as whoever asks made sure. None: they are out of this device's own store.
        device: Option<DeviceId>,
        /// What.
        runs: Vec<Run>,
    },
    /// Compares with every peer now.
    SyncNow,
    /// Tells the others what the person at this device does, until it says otherwise.
    SetPresence {
        /// What.
        doing: Doing,
        /// Where the task is that they look at. Elsewhere they are here, and no more is told.
        workspace: Option<WorkspaceId>,
    },
    /// Whether to sync by itself.
    SetAutoSync {
        /// Where.
        workspace: WorkspaceId,
        /// On or off.
        on: bool,
    },
    /// When to fetch the content of attachments.
    SetFetching {
        /// Where.
        workspace: WorkspaceId,
        /// When.
        fetching: Fetching,
    },
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A workspace was founded or joined.
    Workspace(WorkspaceId),
    /// A ticket.
    Ticket(Ticket),
    /// A code to be read by another device.
    LinkCode(LinkCode),
    /// Entities were changed, durably.
    Edited {
        /// How many operations were written; 0 if everything was so already.
        operations: usize,
        /// What changed.
        changed: Vec<EntityKey>,
        /// For undo and redo: changes left alone because somebody changed them since. For what is posted
        /// again: changes that no longer fit.
        kept: Vec<String>,
    },
    /// A bundle was begun.
    Exporting(Box<ExportCursor>),
    /// A part of it.
    Exported {
        /// Its cipher text.
        part: Vec<u8>,
        /// How to go on.
        next: Box<ExportCursor>,
    },
    /// A part of a bundle was taken in, durably.
    Imported(Brought),
    /// What became of each run. Those that were taken are durable.
    RunsTaken(Vec<RunAnswer>),
    /// A part of a bundle was opened, which holds no entries: the rest is the driver's.
    Opened {
        /// The workspace.
        workspace: WorkspaceId,
        /// What is in it.
        portion: Portion,
    },
    /// Done.
    Done,
}

/// Why a command was refused. Nothing was changed. Each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The workspace is not on this device.
    #[error("workspace {0} is not on this device: see `velo workspace list`")]
    NoWorkspace(WorkspaceId),
    /// The change does not fit; names the field or entity.
    #[error("{0}")]
    Change(String),
    /// The workspace is on the disk, and nothing can be done with it.
    #[error("that workspace is on this device, and could not be opened: see `velo doctor`")]
    Unopened,
    /// The ticket cannot be used.
    #[error("{0}")]
    Ticket(String),
    /// The device cannot be linked.
    #[error("{0}")]
    Link(String),
    /// The relay does not carry it.
    #[error("{0}")]
    Relay(String),
    /// The bundle cannot be read or written.
    #[error("{0}")]
    Bundle(String),
    /// A part of a bundle is not as it was made: what follows it may be.
    #[error("{}", BundleError::Damaged)]
    DamagedPart,
    /// The access rule does not allow it. Says why, and who can.
    #[error("{0}")]
    Role(String),
    /// The ticket was not taken yet.
    #[error(
        "this device has not joined yet: the ticket is taken when a device of the workspace is reached. Leave \
         Velo running beside one, or connect to one with `velo peers add ADDRESS`"
    )]
    Joining,
    /// Already a member.
    #[error("this device is already in that workspace")]
    AlreadyJoined,
    /// Nothing to undo or redo.
    #[error("nothing to {0}")]
    NothingTo(String),
    /// The disk failed.
    #[error("nothing was changed, because saving failed: {0}")]
    ReadOnly(String),
    /// The workspace holds control entries of a newer version.
    #[error("this workspace was changed with a newer version of Velo: update to change it")]
    NeedsUpdate,
}

/// What happens to the replica.
#[derive(Debug, Clone)]
pub enum Input {
    /// A person asks for something.
    Command {
        /// Comes back in the reply.
        request: RequestId,
        /// What.
        command: Command,
    },
    /// A frame arrived.
    Received {
        /// From whom, as the transport authenticated it.
        peer: DeviceId,
        /// Type byte and body.
        frame: Vec<u8>,
    },
    /// A connection is open, ready for frames.
    PeerUp {
        /// To whom.
        peer: DeviceId,
    },
    /// The connection is gone.
    PeerDown {
        /// To whom.
        peer: DeviceId,
    },
    /// The network has written so many bytes of frames to the session's own stream with a peer: see
    /// [`crate::message::Lane`].
    Sent {
        /// To whom.
        peer: DeviceId,
        /// Sum of the frames' lengths.
        bytes: usize,
    },
    /// A batch is durable.
    Persisted {
        /// Which.
        batch: BatchId,
    },
    /// A batch could not be made durable.
    PersistFailed {
        /// Which.
        batch: BatchId,
        /// Why, for people.
        reason: String,
    },
    /// What this device's operator says to [`Output::AskCarry`].
    CarryDecided {
        /// Who asked.
        peer: DeviceId,
        /// What was asked.
        offer: CarryOffer,
        /// How many bytes it may keep (none: as many as there are), or else why it does not.
        decision: Result<Option<u64>, String>,
    },
    /// The time asked for with [`Output::WakeAt`] has come.
    Wake,
}

/// What the driver has to do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Remember this, durably, before anything that follows.
    Remember(WorkspaceRecord),
    /// Drop everything that is kept of this workspace, durably, before anything that follows, once what
    /// precedes is durable.
    Forget(WorkspaceId),
    /// This device belongs to another person from now on: keep the keys as they are here, durably,
    /// before anything that follows. There was no workspace.
    Become(Box<Identity>),
    /// A workspace was learned of whose peers may be reached at these addresses. Whoever had nothing in
    /// common with this device may have from now on.
    Dial {
        /// As in a ticket.
        addresses: Vec<String>,
    },
    /// A peer asks this device to carry a workspace: look whether its operator allows it, then say
    /// [`Input::CarryDecided`].
    AskCarry {
        /// Who asks.
        peer: DeviceId,
        /// What.
        offer: CarryOffer,
    },
    /// Make a batch durable, then say [`Input::Persisted`]. Batches of a workspace are in order.
    Persist {
        /// Of which workspace.
        workspace: WorkspaceId,
        /// Comes back.
        id: BatchId,
        /// What.
        batch: Batch,
    },
    /// Send a frame, on the stream of its [`crate::message::Lane`]. Of those of [`Lane::Session`] say
    /// [`Input::Sent`] when they are written.
    ///
    /// [`Lane::Session`]: crate::message::Lane::Session
    Send {
        /// To whom.
        peer: DeviceId,
        /// Type byte and body.
        frame: Vec<u8>,
    },
    /// Close the connection.
    Disconnect {
        /// To whom.
        peer: DeviceId,
        /// Why, for the log file and the peers view.
        reason: String,
    },
    /// Say [`Input::Wake`] at this time of the monotonic clock. Replaces earlier ones.
    WakeAt(u64),
    /// Tell the people.
    Event(Event),
    /// Answer a command.
    Reply {
        /// Of the command.
        request: RequestId,
        /// What became of it.
        result: Result<Reply, Refusal>,
    },
}
