//! The bodies of control entries: who is in a workspace, with which devices, and who let them in.
//!
//! They are plain, so that a relay can judge them without content keys; no name or title stands in
//! them. Each starts with its version. The bodies of `KeyEpoch` and `KeyShare` are in [`crate::keys`].
//! What they mean together is the access rule's: [`crate::access`].

use crate::{
    access::Role,
    codec::{self, CodecError},
    crypto::{self, CryptoError, Domain, LinkCert, PublicKey, SecretKey, Sig},
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    keys::{secret::Commitment, wrap::RecipientKey},
    log::{EntryKind, Origin},
    root::RecoveryKey,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of these bodies written by this program.
pub const CONTROL_VERSION: u8 = 1;

/// Why a body has no effect on any peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The bytes are not such a body.
    #[error("{0}")]
    Body(#[from] CodecError),
    /// Made by a newer version: what it does cannot be told.
    #[error("made with a newer version of Velo")]
    Newer,
    /// A certificate, key or signature in it is not valid.
    #[error("{0}")]
    Crypto(#[from] CryptoError),
    /// Nobody could ever read what is encrypted for this key.
    #[error("a receiving key in it is not usable, or not its author's")]
    WeakReceivingKey,
}

/// The person of a log, as others have to know them: what `Genesis` and `Join` bring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// From the person's root to the device.
    pub chain: Vec<LinkCert>,
    /// Under which the person can always read again, with the phrase alone.
    pub recovery: RecoveryKey,
}

/// The body of a `Genesis` entry: the founder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// [`CONTROL_VERSION`].
    pub version: u8,
    /// Whose workspace it is.
    pub founder: Introduction,
    /// To the session secret, so that nobody can tell another one.
    pub session: Commitment,
}

/// The body of a `Grant` entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// [`CONTROL_VERSION`].
    pub version: u8,
    /// To whom.
    pub subject: PersonId,
    /// What.
    pub role: Role,
}

/// The body of a `Cap` entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// [`CONTROL_VERSION`].
    pub version: u8,
    /// Whose role it lowers.
    pub subject: PersonId,
    /// What is left; `None` removes.
    pub role: Option<Role>,
}

/// The body of an `Invite` entry: two keys that derive from a ticket's seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// [`CONTROL_VERSION`].
    pub version: u8,
    /// The ed25519 key that signs a [`Join`].
    pub key: [u8; 32],
    /// Under which the holder of the ticket reads before anybody knows of them.
    pub receiving: RecipientKey,
    /// The role of those who join with it.
    pub role: Role,
    /// When the ticket expires: milliseconds since the Unix epoch. Honest peers refuse it later.
    pub expires_ms: u64,
    /// Whether one person joins with it: then the device that made it withdraws it.
    pub single_use: bool,
}

/// The body of a `Revoke` entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoke {
    /// [`CONTROL_VERSION`].
    pub version: u8,
    /// The `Invite` entry that is withdrawn.
    pub invite: EntryId,
}

/// The body of a `Join` entry, which cites the invite: a person who holds its ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// [`CONTROL_VERSION`].
    pub version: u8,
    /// Who comes.
    pub joiner: Introduction,
    /// By the invite's key over workspace, invite, person and device.
    pub by_invite: Sig,
}

/// The body of a `Link` entry: a device of its author, or all of the way to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// [`CONTROL_VERSION`].
    pub version: u8,
    /// From the root to the device.
    pub chain: Vec<LinkCert>,
}

/// The body of an `Unlink` entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlink {
    /// [`CONTROL_VERSION`].
    pub version: u8,
    /// The device that its person loses.
    pub device: DeviceId,
}

/// What a control entry says, as far as the access rule is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Founds the workspace.
    Genesis(Genesis),
    /// Gives a role.
    Grant(Grant),
    /// Lowers one.
    Cap(Cap),
    /// Makes a ticket.
    Invite(Invite),
    /// Withdraws it.
    Revoke(Revoke),
    /// Takes it.
    Join(Join),
    /// Brings a device.
    Link(Link),
    /// Takes one away.
    Unlink(Unlink),
}

impl Control {
    /// Reads a body as every receiver must, certificates included. `None` for kinds that the rule does
    /// not look into.
    pub fn read(kind: EntryKind, author: PersonId, bytes: &[u8]) -> Option<Result<Self, ControlError>> {
        Some(match kind {
            EntryKind::GENESIS => read(bytes).map(Self::Genesis),
            EntryKind::GRANT => read(bytes).map(Self::Grant),
            EntryKind::CAP => read(bytes).map(Self::Cap),
            EntryKind::INVITE => read(bytes).map(Self::Invite),
            EntryKind::REVOKE => read(bytes).map(Self::Revoke),
            EntryKind::JOIN => read(bytes).map(Self::Join),
            EntryKind::LINK => read(bytes).map(Self::Link),
            EntryKind::UNLINK => read(bytes).map(Self::Unlink),
            _ => return None,
        })
        .map(|read| read.and_then(|control| control.checked(author)))
    }

    fn checked(self, author: PersonId) -> Result<Self, ControlError> {
        let who = match &self {
            Self::Genesis(genesis) => Some(&genesis.founder),
            Self::Join(join) => Some(&join.joiner),
            _ => None,
        };
        if who.is_some_and(|who| !who.recovery.is_of(author)) {
            return Err(ControlError::WeakReceivingKey);
        }
        if let Self::Invite(invite) = &self {
            PublicKey::parse(&invite.key)?;
            usable(invite.receiving)?;
        }
        crypto::verify_certificates(author, self.chain())?;
        Ok(self)
    }

    /// The certificates it brings, from the root on.
    pub fn chain(&self) -> &[LinkCert] {
        match self {
            Self::Genesis(genesis) => &genesis.founder.chain,
            Self::Join(join) => &join.joiner.chain,
            Self::Link(link) => &link.chain,
            _ => &[],
        }
    }

    /// The role that its author needs; see [`crate::access`].
    pub fn need(&self, author: PersonId) -> Role {
        match self {
            Self::Genesis(_) => Role::Owner,
            Self::Grant(grant) => grant.role.given_by(),
            Self::Cap(cap) if cap.subject == author => Role::Viewer,
            Self::Cap(_) | Self::Invite(_) | Self::Revoke(_) => Role::Admin,
            Self::Join(_) | Self::Link(_) | Self::Unlink(_) => Role::Viewer,
        }
    }

    /// The recovery key it brings.
    pub fn recovery(&self) -> Option<RecipientKey> {
        match self {
            Self::Genesis(genesis) => Some(genesis.founder.recovery.key),
            Self::Join(join) => Some(join.joiner.recovery.key),
            _ => None,
        }
    }
}

impl Join {
    /// The body of somebody who holds the key of `invite`.
    pub fn new(
        workspace: WorkspaceId,
        invite: EntryId,
        key: &SecretKey,
        origin: &Origin,
        joiner: Introduction,
    ) -> Self {
        let by_invite = key.sign(Domain::Invite, &signed_bytes(workspace, invite, origin));
        Self { version: CONTROL_VERSION, joiner, by_invite }
    }

    /// Whether the holder of the invite's key signed it for this log's person and device.
    pub fn verify(
        &self,
        workspace: WorkspaceId,
        invite: EntryId,
        key: &[u8; 32],
        origin: &Origin,
    ) -> Result<(), CryptoError> {
        PublicKey::parse(key)?.verify(
            Domain::Invite,
            &signed_bytes(workspace, invite, origin),
            &self.by_invite,
        )
    }
}

fn signed_bytes(workspace: WorkspaceId, invite: EntryId, origin: &Origin) -> Vec<u8> {
    codec::encode(&(workspace, invite, origin.person, origin.device))
}

fn usable(key: RecipientKey) -> Result<(), ControlError> {
    if key.is_usable() { Ok(()) } else { Err(ControlError::WeakReceivingKey) }
}

fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, ControlError> {
    if bytes.first().is_some_and(|version| *version != CONTROL_VERSION) {
        return Err(ControlError::Newer);
    }
    Ok(codec::decode_canonical(bytes)?)
}
