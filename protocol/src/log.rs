//! Logs: what one device wrote in one workspace, as a hash chain under signatures.
//!
//! An **entry** is a header and a body. Its id covers the id before it, so a head id names a whole
//! history. A **seal** is a signature over a position and id of the chain: it covers everything
//! before it, and an entry counts only when it lies under a valid seal. At fixed distances a seal
//! is a **checkpoint**: mandatory, kept and served. Bulk transfer therefore checks one signature
//! for up to 256 entries, while each live edit is signed by itself.
//!
//! A **run** is consecutive entries with the seal that covers them, the unit that is verified,
//! stored and sent. It never crosses a due checkpoint.
//!
//! What a device writes itself is closed by a local seal first, and signed when somebody is to receive
//! it: see [`Signer`].
//!
//! Bytes are hashed, signed, stored and forwarded as received; nothing is re-encoded except to
//! check that a header is canonical.

use crate::{
    codec::{self, CodecError},
    crypto::{CryptoError, Domain, PublicKey, SecretKey, Sig},
    id::{DeviceId, EntryId, Incarnation, LogId, PersonId, WorkspaceId},
    limits,
    time::Hlc,
};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};

mod local;
mod writer;

pub use local::{Signer, is_own_seal};
pub use writer::RunWriter;

/// The layout version written by this program.
pub const HEADER_VERSION: u8 = 1;

fn domain(context: &str) -> blake3::Hasher {
    blake3::Hasher::new_derive_key(context)
}

static ENTRY_HASHER: LazyLock<blake3::Hasher> = LazyLock::new(|| domain("velo 2026 entry id"));

/// Whose log it is. With the workspace it determines the [`LogId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The person.
    pub person: PersonId,
    /// The person's device, whose key seals the log.
    pub device: DeviceId,
    /// Sets apart the logs of one device.
    pub incarnation: Incarnation,
    /// Whether this log founded the workspace. Its id then leaves out the workspace's, which
    /// depends on its first entry.
    pub founder: bool,
}

impl Origin {
    /// The id of this log in `workspace`.
    pub fn log_id(&self, workspace: WorkspaceId) -> LogId {
        let mut hasher = domain("velo 2026 log id");
        if !self.founder {
            hasher.update(&workspace.0);
        }
        hasher.update(&self.person.0).update(&self.device.0).update(&self.incarnation.0);
        LogId(*hasher.finalize().as_bytes())
    }

    /// The id of the workspace that this log founds with its first entry.
    pub fn workspace_id(&self, genesis_header: &[u8], genesis_body: &[u8]) -> WorkspaceId {
        let mut hasher = domain("velo 2026 workspace id");
        hasher.update(&self.person.0).update(&self.device.0).update(&self.incarnation.0);
        hasher.update(&(genesis_header.len() as u64).to_le_bytes());
        hasher.update(genesis_header).update(genesis_body);
        WorkspaceId(*hasher.finalize().as_bytes())
    }
}

/// What kind of entry a header announces. Kinds below 32 are *control*: their bodies are plain, so
/// that a relay can judge them without content keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryKind(pub u8);

#[allow(missing_docs, reason = "the names are those of the protocol specification")]
impl EntryKind {
    pub const GENESIS: Self = Self(1);
    pub const GRANT: Self = Self(2);
    pub const CAP: Self = Self(3);
    pub const INVITE: Self = Self(4);
    pub const REVOKE: Self = Self(5);
    pub const JOIN: Self = Self(6);
    pub const LINK: Self = Self(7);
    pub const UNLINK: Self = Self(8);
    pub const KEY_EPOCH: Self = Self(9);
    pub const KEY_SHARE: Self = Self(10);
    pub const ACK: Self = Self(11);
    pub const PROFILE: Self = Self(32);
    pub const DATA: Self = Self(33);
}

impl EntryKind {
    /// Whether bodies of this kind are plain.
    pub const fn is_control(self) -> bool {
        self.0 < 32
    }

    /// Whether this program knows what the kind means.
    pub const fn is_known(self) -> bool {
        matches!(self.0, 1..=11 | 32 | 33)
    }
}

/// The frozen part of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`HEADER_VERSION`].
    pub version: u8,
    /// What the body holds.
    pub kind: EntryKind,
    /// When, by the author's clock.
    pub hlc: Hlc,
    /// The grant the author acts under; `None` as in the log's previous entry.
    pub auth: Option<EntryId>,
    /// Maximal heads of other logs that the author had applied and not named before.
    pub deps: Vec<EntryId>,
    /// The key epoch of the body; `None` as in the log's previous entry.
    pub epoch: Option<EntryId>,
    /// Makes the body's nonce; zero while bodies are plain.
    pub salt: [u8; 8],
    /// Length of the body in bytes.
    pub body_len: u32,
}

impl Header {
    /// A header that cites nothing. [`RunWriter::push`] sets the length of the body.
    pub const fn new(kind: EntryKind, hlc: Hlc, deps: Vec<EntryId>) -> Self {
        Self { version: HEADER_VERSION, kind, hlc, auth: None, deps, epoch: None, salt: [0; 8], body_len: 0 }
    }

    /// Length of the canonical form in bytes.
    fn encoded_len(&self) -> usize {
        let id = |given: &Option<EntryId>| 1 + given.map_or(0, |_| EntryId::LEN);
        let deps = codec::number_len(self.deps.len() as u64) + self.deps.len() * EntryId::LEN;
        let fixed = 2 + self.salt.len();
        let numbers = codec::number_len(self.hlc.0) + codec::number_len(u64::from(self.body_len));
        fixed + numbers + id(&self.auth) + deps + id(&self.epoch)
    }
}

/// Why bytes from a peer or file are not part of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The header cannot be read.
    #[error("entry {position}: {source}")]
    Header {
        /// Where.
        position: u64,
        /// Why.
        source: CodecError,
    },
    /// A version of the header that this program cannot judge.
    #[error("entry {position} has header version {version}, this program knows {HEADER_VERSION}")]
    Version {
        /// Where.
        position: u64,
        /// What it says.
        version: u8,
    },
    /// More than [`limits`] allows.
    #[error("entry {position} is over the limit of {what}")]
    TooLarge {
        /// Where.
        position: u64,
        /// Which limit.
        what: &'static str,
    },
    /// The body is shorter than its header says.
    #[error("entry {0} is cut off")]
    Truncated(u64),
    /// The run holds no entry.
    #[error("the run is empty")]
    Empty,
    /// The run does not continue the chain at hand.
    #[error("the run does not follow the head of its log")]
    NotNext,
    /// An entry lies past a checkpoint whose seal is missing.
    #[error("entry {0} lies past a due checkpoint without its seal")]
    PastCheckpoint(u64),
    /// The log id is not that of its origin.
    #[error("the log's id does not belong to its author")]
    WrongOrigin,
    /// The seal is not valid.
    #[error("the seal over entry {position}: {source}")]
    Seal {
        /// The position it should cover.
        position: u64,
        /// Why.
        source: CryptoError,
    },
}

/// The id of position 0: the empty start of a log.
pub fn start_of(log: LogId) -> EntryId {
    let mut hasher = domain("velo 2026 log start");
    hasher.update(&log.0);
    EntryId(*hasher.finalize().as_bytes())
}

/// The id of the entry that follows `previous`.
pub fn entry_id(previous: EntryId, header: &[u8], body: &[u8]) -> EntryId {
    let mut hasher = ENTRY_HASHER.clone();
    hasher.update(&previous.0).update(header).update(blake3::hash(body).as_bytes());
    EntryId(*hasher.finalize().as_bytes())
}

fn seal_bytes(workspace: WorkspaceId, log: LogId, head: Head) -> [u8; 104] {
    let mut bytes = [0; 104];
    bytes[..32].copy_from_slice(&workspace.0);
    bytes[32..64].copy_from_slice(&log.0);
    bytes[64..72].copy_from_slice(&head.position.to_le_bytes());
    bytes[72..].copy_from_slice(&head.id.0);
    bytes
}

/// Signs the head of an own log.
pub fn seal(key: &SecretKey, workspace: WorkspaceId, log: LogId, head: Head) -> Sig {
    key.sign(Domain::Seal, &seal_bytes(workspace, log, head))
}

/// Checks a seal.
pub fn verify_seal(
    key: &PublicKey,
    workspace: WorkspaceId,
    log: LogId,
    head: Head,
    sig: &Sig,
) -> Result<(), LogError> {
    key.verify(Domain::Seal, &seal_bytes(workspace, log, head), sig)
        .map_err(|source| LogError::Seal { position: head.position, source })
}

/// A place in a log: how many entries, and the id of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Head {
    /// Position of the last entry; 0 for an empty log.
    pub position: u64,
    /// Its id; [`start_of`] for an empty log.
    pub id: EntryId,
}

impl Head {
    /// The head of an empty log.
    pub fn start(log: LogId) -> Self {
        Self { position: 0, id: start_of(log) }
    }
}

/// One entry inside a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its place in the log, from 1.
    pub position: u64,
    /// The decoded header.
    pub header: Header,
    /// Where header and body lie in the run's bytes: `[start, body, end]`.
    pub at: [u32; 3],
}

impl Entry {
    /// The header's bytes in the run it was read from.
    pub fn header_bytes<'run>(&self, bytes: &'run [u8]) -> &'run [u8] {
        &bytes[self.at[0] as usize..self.at[1] as usize]
    }

    /// The body's bytes in the run it was read from.
    pub fn body<'run>(&self, bytes: &'run [u8]) -> &'run [u8] {
        &bytes[self.at[1] as usize..self.at[2] as usize]
    }
}

/// Reads one header and finds its body. Returns the header and the offsets of body and end.
fn parse_entry(bytes: &[u8], position: u64) -> Result<(Header, usize, usize), LogError> {
    let window = &bytes[..bytes.len().min(limits::HEADER)];
    let wrap = |source| LogError::Header { position, source };
    let (header, used): (Header, usize) = codec::decode_prefix(window).map_err(wrap)?;
    if header.version != HEADER_VERSION {
        return Err(LogError::Version { position, version: header.version });
    }
    if header.deps.len() > limits::DEPS {
        return Err(LogError::TooLarge { position, what: "dependencies" });
    }
    if header.body_len as usize > limits::BODY {
        return Err(LogError::TooLarge { position, what: "body" });
    }
    // Only a number can be written in several ways, and all but one are longer.
    if header.encoded_len() != used {
        return Err(wrap(CodecError::NotCanonical("Header")));
    }
    let end = used + header.body_len as usize;
    if end > bytes.len() {
        return Err(LogError::Truncated(position));
    }
    Ok((header, used, end))
}

/// How many entries `bytes` hold, and the stamp of the first: what a sender needs to know of a
/// stored run. Nothing is hashed.
pub fn survey(bytes: &[u8]) -> Result<(u64, Hlc), LogError> {
    let (mut at, mut count, mut first) = (0, 0, Hlc(0));
    while at < bytes.len() {
        let (header, used): (Header, usize) = codec::decode_prefix(&bytes[at..])
            .map_err(|source| LogError::Header { position: count, source })?;
        first = if count == 0 { header.hlc } else { first };
        at = at.saturating_add(used).saturating_add(header.body_len as usize);
        count += 1;
    }
    Ok((count, first))
}

/// Reads consecutive entries that follow `after`. Checks form and chain, no signature.
pub fn parse_entries(after: Head, bytes: &[u8]) -> Result<Vec<Entry>, LogError> {
    // A live edit comes alone, and is kept in memory for a while: without room for three more.
    let mut entries = Vec::with_capacity(1);
    let (mut at, mut head) = (0, after);
    while at < bytes.len() {
        let position = head.position.saturating_add(1);
        let (header, body, end) = parse_entry(&bytes[at..], position)?;
        let id = entry_id(head.id, &bytes[at..at + body], &bytes[at + body..at + end]);
        entries.push(Entry { id, position, header, at: [at, at + body, at + end].map(|i| i as u32) });
        head = Head { position, id };
        at += end;
    }
    Ok(entries)
}

/// Consecutive entries of one log and the seal that covers them, as sent and received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Whose log. Given when the run starts the log; a peer that has the log knows it.
    pub origin: Option<Origin>,
    /// The log.
    pub log: LogId,
    /// The place it continues: the first entry has position `after.position + 1`.
    pub after: Head,
    /// Headers and bodies, one after the other, at most [`limits::RUN_BYTES`].
    #[serde(with = "bytes_field")]
    pub bytes: Vec<u8>,
    /// Over the last entry. In the own store it may be local: see [`Signer`].
    pub seal: Sig,
}

/// A byte string as one slice instead of element by element.
pub(crate) mod bytes_field {
    use serde::{Deserializer, Serializer, de::Visitor};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a byte string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// The end of a chain, and how far the last checkpoint lies back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEnd {
    /// The last entry.
    pub head: Head,
    /// Entries since the last checkpoint.
    pub entries: u32,
    /// Bytes of headers and bodies since the last checkpoint.
    pub bytes: u32,
}

impl ChainEnd {
    /// The end of an empty log.
    pub fn start(log: LogId) -> Self {
        Self { head: Head::start(log), entries: 0, bytes: 0 }
    }

    /// Whether a checkpoint seal is due at this very entry.
    pub const fn checkpoint_due(&self) -> bool {
        self.entries >= limits::CHECKPOINT_ENTRIES || self.bytes >= limits::CHECKPOINT_BYTES
    }

    /// Moves past one entry of `len` bytes, starting anew after a checkpoint.
    pub fn advance(&mut self, id: EntryId, len: u32) {
        if self.checkpoint_due() {
            (self.entries, self.bytes) = (0, 0);
        }
        self.head = Head { position: self.head.position + 1, id };
        self.entries += 1;
        self.bytes += len;
    }
}

/// A run with its entries found: what a store gives back. It says nothing about the seal, which was
/// checked before the run was stored.
#[derive(Debug)]
pub struct ReadRun {
    run: Run,
    entries: Vec<Entry>,
}

impl ReadRun {
    /// Reads the entries of a run from the own store, which holds only what was verified.
    pub fn parse(run: Run) -> Result<Self, LogError> {
        let entries = parse_entries(run.after, &run.bytes)?;
        if entries.is_empty() { Err(LogError::Empty) } else { Ok(Self { run, entries }) }
    }

    /// The run as stored.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Its entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// A run whose chain and seal were checked. Only [`verify_run`] and [`RunWriter`] make one. A clone
/// is another handle to the same bytes.
#[derive(Debug, Clone)]
pub struct VerifiedRun {
    read: Arc<ReadRun>,
    end: ChainEnd,
}

impl VerifiedRun {
    /// The run as received.
    pub fn run(&self) -> &Run {
        &self.read.run
    }

    /// Its entries.
    pub fn entries(&self) -> &[Entry] {
        &self.read.entries
    }

    /// Bytes and entries, without the claim that the seal is good.
    pub fn read(&self) -> &Arc<ReadRun> {
        &self.read
    }

    /// The chain's end after this run.
    pub fn end(&self) -> ChainEnd {
        self.end
    }
}

/// Checks that `run` continues the chain at `end` and is sealed by `key`.
pub fn verify_run(
    workspace: WorkspaceId,
    key: &PublicKey,
    end: ChainEnd,
    run: Run,
) -> Result<VerifiedRun, LogError> {
    if run.after != end.head {
        return Err(LogError::NotNext);
    }
    if run.bytes.len() > limits::RUN_BYTES {
        return Err(LogError::TooLarge { position: run.after.position, what: "run" });
    }
    let entries = parse_entries(run.after, &run.bytes)?;
    let end = walk(end, &entries)?;
    verify_seal(key, workspace, run.log, end.head, &run.seal)?;
    Ok(VerifiedRun { read: Arc::new(ReadRun { run, entries }), end })
}

fn walk(mut end: ChainEnd, entries: &[Entry]) -> Result<ChainEnd, LogError> {
    if entries.is_empty() {
        return Err(LogError::Empty);
    }
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 && end.checkpoint_due() {
            return Err(LogError::PastCheckpoint(entry.position));
        }
        end.advance(entry.id, entry.at[2] - entry.at[0]);
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_length_of_a_header_is_that_of_its_encoding(
            kind: u8, hlc: u64, auth: bool, deps in 0usize..300, epoch: bool, small: bool, body_len: u32,
        ) {
            let id = |given: bool| given.then_some(EntryId([1; 32]));
            let hlc = Hlc(if small { hlc % 70_000 } else { hlc });
            let header = Header {
                version: HEADER_VERSION, kind: EntryKind(kind), hlc, auth: id(auth),
                deps: vec![EntryId([2; 32]); deps], epoch: id(epoch), salt: [0; 8], body_len,
            };
            prop_assert_eq!(header.encoded_len(), codec::encode(&header).len());
        }
    }

    fn ack(deps: usize) -> Header {
        Header {
            version: HEADER_VERSION,
            kind: EntryKind::ACK,
            hlc: Hlc(7),
            auth: None,
            deps: vec![EntryId([2; 32]); deps],
            epoch: None,
            salt: [0; 8],
            body_len: 0,
        }
    }

    #[test]
    fn a_number_written_too_long_makes_no_header() {
        let (mut bytes, start) = (codec::encode(&ack(0)), Head::start(LogId([1; 32])));
        assert!(parse_entries(start, &bytes).is_ok());
        bytes.splice(2..3, [251, 7, 0]);
        let source = CodecError::NotCanonical("Header");
        assert_eq!(parse_entries(start, &bytes), Err(LogError::Header { position: 1, source }));
    }
}
