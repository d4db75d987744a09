//! Messages of a session, and their frames.
//!
//! A frame is a type byte and a bincode body; the network layer puts a `u32` length in front and
//! caps it before it allocates. The type byte also says on which of two streams it travels ([`Lane`]):
//! what is pulled in bulk never stands before a live edit.

use crate::{
    codec::{self, CodecError},
    control::Introduction,
    crypto::{LinkCert, Sig},
    founding::Founding,
    id::{DeviceId, EntryId, LogId, PersonId, WorkspaceId},
    keys::wrap::{RecipientKey, Wrap},
    limits,
    log::{Head, Run},
    presence::Presence,
    private::PrivateWorkspace,
    ticket::SessionSecret,
};
use serde::{Deserialize, Serialize};

/// The protocol version of [`Hello`].
pub const PROTOCOL_VERSION: u16 = 1;

/// What peers say to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// First, from both sides.
    Hello(Hello),
    /// One workspace that the sender has, without naming it to those who have it not.
    Auth(Auth),
    /// What the sender holds of a workspace, in 32 bytes.
    Digest(Digest),
    /// Heads that the sender holds.
    Heads(Heads),
    /// Entries.
    Ops(Ops),
    /// The end of the session.
    Bye,
    /// What lets the sender in.
    Claim(Claim),
    /// The ticket that the receiver claims by was withdrawn, as far as the sender knows.
    Withdrawn(WorkspaceId),
    /// Asks for the keys of epochs that the sender cannot open.
    NeedKeys(NeedKeys),
    /// A device of the person takes the receiver in, whose link code it has read.
    LinkOffer(LinkOffer),
    /// The receiver agrees.
    LinkAccept(LinkAccept),
    /// The certificate, and what there is to share.
    LinkDone(LinkDone),
    /// The sender acts for a person whose root it has: which workspaces are theirs?
    Recover(Recover),
    /// One of them.
    Recovered(Recovered),
    /// Whether somebody is here, and what they look at.
    Presence(Presence),
    /// Asks the receiver to carry a workspace as a relay.
    CarryOffer(CarryOffer),
    /// Whether the sender does.
    CarryAnswer(CarryAnswer),
    /// What a relay confirmed to the sender.
    Confirmed(Confirmed),
    /// Asks for what the receiver announced: a pull begins.
    Want(Want),
    /// Part of what a pull asked for.
    Chunk(Chunk),
    /// A chunk of this pull was taken: there is room for another.
    Taken(PullId),
    /// Nothing more comes of this pull.
    End(PullId),
    /// Nothing more of this pull is wanted.
    Stop(PullId),
}

/// Names a pull among those of one session that one side asked for.
pub type PullId = u32;

/// On which of the two streams between two devices a frame travels. Each keeps its order; neither
/// waits for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// What should arrive at once.
    Session,
    /// Pulls: much, and as fast as the line takes it.
    Pull,
}

impl Lane {
    /// The type bytes from here on are those of [`Lane::Pull`].
    const FIRST_OF_PULL: u8 = 32;

    /// Of a frame.
    pub fn of(frame: &[u8]) -> Self {
        match frame.first() {
            Some(tag) if *tag >= Self::FIRST_OF_PULL => Self::Pull,
            _ => Self::Session,
        }
    }
}

/// See [`Message::Want`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Not used twice in a session.
    pub pull: PullId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// At most [`limits::WANT_HEADS`].
    pub heads: Vec<Wanted>,
}

/// One chain that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// An entry that the receiver announced: it and all that the receiver has of its chain by now.
    pub head: EntryId,
    /// Entries of the same log that the sender has. What is sent begins where the way to `head`
    /// leaves the last of them that the receiver knows, or else with the log. At most
    /// [`limits::WANT_PLACES`] in all.
    pub after: Vec<EntryId>,
}

/// See [`Message::Chunk`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Of which.
    pub pull: PullId,
    /// In the order of their stamps over all that is wanted, so causes come before effects.
    pub runs: Vec<Run>,
}

/// See [`Message::Claim`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// By what.
    pub by: ClaimBy,
}

/// What lets a device in that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimBy {
    /// It holds a ticket.
    Invite {
        /// The `Invite` entry.
        invite: EntryId,
        /// By the invite's key, over both devices and nonces.
        by_invite: Sig,
    },
    /// It is a device of a member.
    Certificates {
        /// Whose.
        person: PersonId,
        /// From the root to the sender.
        chain: Vec<LinkCert>,
    },
}

/// See [`Message::NeedKeys`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedKeys {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// At most [`limits::EPOCHS_ASKED`].
    pub epochs: Vec<EntryId>,
}

/// See [`Message::LinkOffer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkOffer {
    /// The person of both devices, and their way to the sender.
    pub person: PersonId,
    /// From the root to the sender.
    pub introduction: Introduction,
    /// See [`LinkSecret::proof`].
    ///
    /// [`LinkSecret::proof`]: crate::link_code::LinkSecret::proof
    pub proof: [u8; 32],
}

/// See [`Message::LinkAccept`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAccept {
    /// Under which the new device receives content keys.
    pub receiving: RecipientKey,
    /// Its half of the certificate.
    pub by_child: Sig,
}

/// See [`Message::LinkDone`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDone {
    /// The certificate.
    pub certificate: LinkCert,
    /// What the person's devices share with nobody else.
    pub private: Option<Box<PrivateWorkspace>>,
    /// The workspaces of the person; at most [`limits::WORKSPACES_SHARED`].
    pub workspaces: Vec<(WorkspaceId, SessionSecret)>,
}

/// See [`Message::Recover`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recover {
    /// Whose root the sender has.
    pub person: PersonId,
    /// By the root over both devices and nonces.
    pub by_root: Sig,
}

/// See [`Message::Recovered`]. Only who has the root can open it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// How it began: that commits to the secret.
    pub founding: Founding,
    /// The secret, for the person's recovery key.
    pub secret: Wrap,
}

/// See [`Message::CarryOffer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarryOffer {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// With which its devices know each other. It opens nothing that is encrypted.
    pub secret: SessionSecret,
    /// What the relay's operator gave out; at most [`limits::CARRY_TOKEN`] bytes. Empty if nothing.
    pub token: String,
}

/// See [`Message::CarryOffer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarryAnswer {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whether it is carried.
    pub verdict: CarryVerdict,
}

/// What a relay says to an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CarryVerdict {
    /// It is carried by all devices under this root; the certificates lead from it to the sender.
    Carried {
        /// The root.
        person: PersonId,
        /// From the root to the sender.
        chain: Vec<LinkCert>,
    },
    /// It is not, for this reason; at most [`limits::CARRY_WORDS`] bytes.
    Declined(String),
    /// It is, and there is no room for more of it.
    Full,
}

/// See [`Message::Confirmed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Which device of a relay.
    pub relay: DeviceId,
    /// What is new of it since the sender told this peer last; at most [`limits::HEADS_PER_MESSAGE`].
    pub heads: Vec<ConfirmedHead>,
}

/// A head up to which a relay confirmed a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmedHead {
    /// The log.
    pub log: LogId,
    /// How far.
    pub head: Head,
    /// For how many seconds it has shown that in a session that goes on; 0 if in an earlier one.
    pub held_s: u32,
}

/// Who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`].
    pub version: u16,
    /// Random in each session; freshness of [`Auth`].
    pub nonce: [u8; 32],
    /// The sender's clock: people are told where it is off. Nothing follows from it.
    pub wall_ms: u64,
}

/// Proof of knowing a workspace's session secret. A stranger learns nothing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// Hash of the session secret and both nonces: says which workspace, to those who have it.
    pub tag: [u8; 32],
    /// MAC under the session secret over sender, receiver and both nonces.
    pub mac: [u8; 32],
}

/// See [`Message::Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// BLAKE3 over all durable heads, in order.
    pub hash: [u8; 32],
    /// Whether the sender waits for the peer's in return: a person wants to know.
    pub asks: bool,
}

/// See [`Message::Heads`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whether more of the same announcement follows.
    pub more: bool,
    /// Whether this is everything the sender holds, rather than what changed.
    pub full: bool,
    /// At most [`limits::HEADS_PER_MESSAGE`].
    pub heads: Vec<(LogId, Head)>,
}

/// See [`Message::Ops`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ops {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// In causal order as far as the sender knows it.
    pub runs: Vec<Run>,
}

impl Message {
    /// The frame: type byte and body.
    pub fn encode(&self) -> Vec<u8> {
        let (tag, body) = match self {
            Self::Hello(hello) => (0, codec::encode(hello)),
            Self::Auth(auth) => (1, codec::encode(auth)),
            Self::Digest(digest) => (2, codec::encode(digest)),
            Self::Heads(heads) => (3, codec::encode(heads)),
            Self::Ops(ops) => (4, codec::encode(ops)),
            Self::Bye => (5, Vec::new()),
            Self::Claim(claim) => (12, codec::encode(claim)),
            Self::Withdrawn(workspace) => (13, codec::encode(workspace)),
            Self::Presence(presence) => (14, codec::encode(presence)),
            Self::CarryOffer(offer) => (15, codec::encode(offer)),
            Self::CarryAnswer(answer) => (16, codec::encode(answer)),
            Self::Confirmed(confirmed) => (17, codec::encode(confirmed)),
            Self::NeedKeys(need) => (6, codec::encode(need)),
            Self::LinkOffer(offer) => (7, codec::encode(offer)),
            Self::LinkAccept(accept) => (8, codec::encode(accept)),
            Self::LinkDone(done) => (9, codec::encode(done)),
            Self::Recover(recover) => (10, codec::encode(recover)),
            Self::Recovered(recovered) => (11, codec::encode(recovered)),
            Self::Want(want) => (32, codec::encode(want)),
            Self::Chunk(chunk) => (33, codec::encode(chunk)),
            Self::Taken(pull) => (34, codec::encode(pull)),
            Self::End(pull) => (35, codec::encode(pull)),
            Self::Stop(pull) => (36, codec::encode(pull)),
        };
        let mut frame = Vec::with_capacity(body.len() + 1);
        frame.push(tag);
        frame.extend_from_slice(&body);
        frame
    }

    /// Reads a frame.
    pub fn decode(frame: &[u8]) -> Result<Self, CodecError> {
        let malformed = |what: &str| CodecError::Malformed("Message", what.to_owned());
        if frame.len() > limits::FRAME {
            return Err(malformed("longer than a frame may be"));
        }
        let (tag, body) = frame.split_first().ok_or_else(|| malformed("empty frame"))?;
        match tag {
            0 => codec::decode(body).map(Self::Hello),
            1 => codec::decode(body).map(Self::Auth),
            2 => codec::decode(body).map(Self::Digest),
            3 => codec::decode(body).map(Self::Heads),
            4 => codec::decode(body).map(Self::Ops),
            5 if body.is_empty() => Ok(Self::Bye),
            6 => codec::decode(body).map(Self::NeedKeys),
            7 => codec::decode(body).map(Self::LinkOffer),
            8 => codec::decode(body).map(Self::LinkAccept),
            9 => codec::decode(body).map(Self::LinkDone),
            10 => codec::decode(body).map(Self::Recover),
            11 => codec::decode(body).map(Self::Recovered),
            12 => codec::decode(body).map(Self::Claim),
            13 => codec::decode(body).map(Self::Withdrawn),
            14 => codec::decode(body).map(Self::Presence),
            15 => codec::decode(body).map(Self::CarryOffer),
            16 => codec::decode(body).map(Self::CarryAnswer),
            17 => codec::decode(body).map(Self::Confirmed),
            32 => codec::decode(body).map(Self::Want),
            33 => codec::decode(body).map(Self::Chunk),
            34 => codec::decode(body).map(Self::Taken),
            35 => codec::decode(body).map(Self::End),
            36 => codec::decode(body).map(Self::Stop),
            other => Err(malformed(&format!("unknown type {other}"))),
        }
    }
}
