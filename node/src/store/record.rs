//! The bytes of a log file.
//!
//! ```text
//! file    = magic "VELOLOG\n" (8) | format version (2) | workspace (32) | CRC32C of these (4) | record*
//! record  = length of kind and payload (4) | CRC32C of length, kind and payload (4) | kind (1) | payload
//!
//! kind 1  chain   a chain gets a number that holds within this file: see [`Definition`]
//! kind 2  run     number, position before, entries (varints) | seal (64) | headers and bodies
//! kind 3  known   a damaged place that was reported once: see [`Place`]
//! ```
//!
//! Fixed integers are little-endian, varints and structures as in `velo_protocol::codec`. Ids are
//! not stored: they follow from the chain. Each file defines the chains it uses, with the head at
//! which it takes them up, so that it can be read when another file is lost.

use serde::{Deserialize, Serialize};
use velo_protocol::{
    codec,
    crypto::Sig,
    id::{LogId, WorkspaceId},
    limits,
    log::{ChainEnd, Origin},
    store::chains::StoredRun,
};

/// Of the file format. A higher one is refused.
pub const FORMAT: u16 = 2;
/// Length of a file's header.
pub const FILE_HEADER: usize = 46;
const MAGIC: &[u8; 8] = b"VELOLOG\n";
const HEAD: usize = 8;
/// Kind and payload of the greatest record: a run of full size, its seal and three varints.
const LONGEST: usize = 1 + 3 * 9 + 64 + limits::RUN_BYTES;

const KIND_CHAIN: u8 = 1;
const KIND_RUN: u8 = 2;
const KIND_KNOWN: u8 = 3;

/// A chain as a file takes it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Its number within the file.
    pub local: u32,
    /// The log.
    pub log: LogId,
    /// Whose.
    pub origin: Origin,
    /// Where the chain begins.
    pub base: ChainEnd,
    /// Where the file continues it.
    pub from: ChainEnd,
}

/// Bytes of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file's number.
    pub file: u32,
    /// Where they start.
    pub offset: u64,
    /// How many.
    pub len: u64,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A chain gets a number.
    Chain(Definition),
    /// Entries of the chain with this number.
    Run(u32, StoredRun),
    /// A damaged place is known.
    Known(Place),
}

/// The header of a file of `workspace`.
pub fn file_header(workspace: WorkspaceId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FILE_HEADER);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&workspace.0);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// What the start of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileHeader {
    /// A log of this workspace.
    Ours,
    /// A log of another workspace.
    Foreign,
    /// Written by a newer program.
    Newer(u16),
    /// Cut short or damaged.
    Unreadable,
}

/// Reads the start of a file.
pub fn parse_file_header(bytes: &[u8], workspace: WorkspaceId) -> FileHeader {
    let Some(header) = bytes.get(..FILE_HEADER) else {
        return FileHeader::Unreadable;
    };
    let crc = u32_at(header, FILE_HEADER - 4);
    if !header.starts_with(MAGIC) || crc != Some(crc32c::crc32c(&header[..FILE_HEADER - 4])) {
        return FileHeader::Unreadable;
    }
    let version = u16::from_le_bytes([header[8], header[9]]);
    if version > FORMAT {
        FileHeader::Newer(version)
    } else if header[10..42] == workspace.0 {
        FileHeader::Ours
    } else {
        FileHeader::Foreign
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Appends a record to `out`. `fill` writes the payload.
fn write(out: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    out.push(kind);
    fill(out);
    let length = ((out.len() - start - HEAD) as u32).to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), &out[start + HEAD..]);
    out[start..start + 4].copy_from_slice(&length);
    out[start + 4..start + HEAD].copy_from_slice(&crc.to_le_bytes());
}

/// Appends the record of a chain's definition.
pub fn write_chain(out: &mut Vec<u8>, definition: &Definition) {
    write(out, KIND_CHAIN, |out| out.extend(codec::encode(definition)));
}

/// Appends the record of a known damage.
pub fn write_known(out: &mut Vec<u8>, place: &Place) {
    write(out, KIND_KNOWN, |out| out.extend(codec::encode(place)));
}

/// Appends the record of a run.
pub fn write_run(out: &mut Vec<u8>, local: u32, after: u64, entries: u32, seal: &Sig, bytes: &[u8]) {
    write(out, KIND_RUN, |out| {
        out.extend(codec::encode(&(local, after, entries)));
        out.extend_from_slice(&seal.0);
        out.extend_from_slice(bytes);
    });
}

/// A record's bytes, with a good checksum.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'bytes> {
    kind: u8,
    payload: &'bytes [u8],
    /// Length of the whole record.
    pub len: usize,
}

/// The record at the start of `bytes`. `None` if there is none, or it is damaged or cut off.
pub fn read(bytes: &[u8]) -> Option<Raw<'_>> {
    let length = u32_at(bytes, 0)? as usize;
    if length == 0 || length > LONGEST {
        return None;
    }
    let body = bytes.get(HEAD..HEAD + length)?;
    let (&kind, payload) = body.split_first()?;
    let known = (KIND_CHAIN..=KIND_KNOWN).contains(&kind);
    let crc = || crc32c::crc32c_append(crc32c::crc32c(&bytes[..4]), body);
    (known && u32_at(bytes, 4)? == crc()).then_some(Raw { kind, payload, len: HEAD + length })
}

impl Raw<'_> {
    /// The chain a run belongs to, by its number in the file; `None` for other records.
    pub fn run_of(&self) -> Option<u32> {
        let local = || codec::decode_prefix::<u32>(self.payload).ok();
        (self.kind == KIND_RUN).then(local)?.map(|(local, _)| local)
    }

    /// What it says. `None` if a newer or broken program wrote it.
    pub fn decode(&self) -> Option<Record> {
        match self.kind {
            KIND_CHAIN => codec::decode(self.payload).ok().map(Record::Chain),
            KIND_KNOWN => codec::decode(self.payload).ok().map(Record::Known),
            _ => {
                let ((local, after, entries), used) =
                    codec::decode_prefix::<(u32, u64, u32)>(self.payload).ok()?;
                let (seal, bytes) = self.payload.get(used..)?.split_first_chunk::<64>()?;
                let run = StoredRun { after, entries, bytes: bytes.to_vec(), seal: Sig(*seal) };
                Some(Record::Run(local, run))
            }
        }
    }
}
