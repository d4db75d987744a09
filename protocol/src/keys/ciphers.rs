//! Opening bodies, wherever one is read: on arrival, for undo, for history.
//!
//! The key ring knows much more than that. [`Ciphers`] is what it has to say to readers: one
//! immutable table that costs nothing to hand on, so a snapshot of the visible state carries what is
//! needed to read the log behind it.

use super::body::BodyCipher;
use crate::{
    id::{EntryId, LogId},
    log::Entry,
    op,
};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// A body as far as it can be read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents<'a> {
    /// In plain.
    Plain(Cow<'a, [u8]>),
    /// Under the key of an epoch that is not held.
    Locked(EntryId),
    /// It should be encrypted and is not, or does not open under its key. No device reads it.
    Refused,
}

impl Contents<'_> {
    /// The same on its own.
    pub fn into_owned(self) -> Contents<'static> {
        match self {
            Self::Plain(bytes) => Contents::Plain(bytes.into_owned().into()),
            Self::Locked(epoch) => Contents::Locked(epoch),
            Self::Refused => Contents::Refused,
        }
    }

    /// The bytes, if they can be read.
    pub fn plain(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(bytes) => Some(bytes),
            Self::Locked(_) | Self::Refused => None,
        }
    }
}

/// The ciphers of every epoch whose key is held.
#[derive(Debug, Clone, Default)]
pub struct Ciphers(Arc<BTreeMap<EntryId, Arc<BodyCipher>>>);

impl Ciphers {
    /// Those of these epochs.
    pub(super) fn new(ciphers: impl Iterator<Item = (EntryId, Arc<BodyCipher>)>) -> Self {
        Self(Arc::new(ciphers.collect()))
    }

    /// Reads the body of an entry: `bytes` are those of its run, and it follows `previous` in `log`.
    pub fn open<'a>(&self, log: LogId, previous: EntryId, entry: &Entry, bytes: &'a [u8]) -> Contents<'a> {
        let body = entry.body(bytes);
        if !op::has_data_body(entry.header.kind) {
            return Contents::Plain(body.into());
        }
        let Some(epoch) = entry.header.epoch else { return Contents::Refused };
        let Some(cipher) = self.0.get(&epoch) else { return Contents::Locked(epoch) };
        match cipher.open(log, previous, entry.header_bytes(bytes), body) {
            Ok(plain) => Contents::Plain(plain.into()),
            Err(_) => Contents::Refused,
        }
    }

    /// Whether the key of an epoch is held.
    pub fn holds(&self, epoch: EntryId) -> bool {
        self.0.contains_key(&epoch)
    }
}
