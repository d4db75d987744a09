//! The bodies of `KeyEpoch` and `KeyShare` entries: plain, so that relays can judge them.
//!
//! ```text
//!   KeyEpoch  version 1, commitment (32), list of older epochs, list of wraps
//!     older     epoch's entry id (32), 0 or 1 and commitment (32), sealed key (48)
//!   KeyShare  version 1, epoch's entry id (32), list of wraps
//!     wrap      recipient (32), encapsulated key (32), sealed key (48)
//! ```
//!
//! Both lists ascend by what stands first in them, so nothing is listed twice. An older epoch whose
//! key the author has not is named without a key: the new epoch still counts as deeper than it.

use super::{
    secret::{Commitment, EpochKey, SealedKey},
    wrap::{self, RecipientKey, Wrap},
};
use crate::{
    codec::{self, CodecError},
    id::{EntryId, WorkspaceId},
    limits,
};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of these bodies written by this program.
pub const KEYS_VERSION: u8 = 1;

/// Why a body has no effect on any peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// The bytes are not such a body.
    #[error("{0}")]
    Body(#[from] CodecError),
    /// Made by a newer version.
    #[error("made with a newer version of Velo")]
    Newer,
    /// Over a bound.
    #[error("more than {0} {1} in one entry")]
    TooMany(usize, &'static str),
    /// A list that does not ascend.
    #[error("the {0} are not in order")]
    Unordered(&'static str),
}

/// The key of an older epoch, under the key of the one that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderKey {
    /// What it must be.
    pub commitment: Commitment,
    /// The ciphertext.
    pub sealed: SealedKey,
}

/// An epoch that the author of a newer one knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Older {
    /// Its entry.
    pub epoch: EntryId,
    /// Its key, if the author held it.
    pub key: Option<OlderKey>,
}

/// The body of a `KeyEpoch` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEpoch {
    /// [`KEYS_VERSION`].
    pub version: u8,
    /// To the new key.
    pub commitment: Commitment,
    /// Epochs before it that no other leads to, by id; at most [`limits::OLDER_EPOCHS`].
    pub older: Vec<Older>,
    /// The new key, by recipient; at most [`limits::WRAPS`].
    pub wraps: Vec<(RecipientKey, Wrap)>,
}

/// The body of a `KeyShare` entry: the key of an epoch for further recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyShare {
    /// [`KEYS_VERSION`].
    pub version: u8,
    /// Whose key.
    pub epoch: EntryId,
    /// By recipient; at most [`limits::WRAPS`].
    pub wraps: Vec<(RecipientKey, Wrap)>,
}

impl KeyEpoch {
    /// Reads a body as every receiver must.
    pub fn read(bytes: &[u8]) -> Result<Self, EpochError> {
        let body: Self = read(bytes)?;
        let older = body.older.iter().map(|older| older.epoch);
        check_list(older, limits::OLDER_EPOCHS, "older epochs")?;
        check_list(recipients(&body.wraps), limits::WRAPS, "recipients")?;
        Ok(body)
    }

    /// To whom the entry itself wraps the key.
    pub fn recipients(&self) -> impl Iterator<Item = RecipientKey> {
        recipients(&self.wraps)
    }
}

impl KeyShare {
    /// Reads a body as every receiver must.
    pub fn read(bytes: &[u8]) -> Result<Self, EpochError> {
        let body: Self = read(bytes)?;
        check_list(recipients(&body.wraps), limits::WRAPS, "recipients")?;
        Ok(body)
    }

    /// To whom it wraps the key.
    pub fn recipients(&self) -> impl Iterator<Item = RecipientKey> {
        recipients(&self.wraps)
    }

    /// Shares the key of `epoch` with all of `to`, in as many bodies as it takes. Recipients without
    /// a usable key are left out.
    pub fn split(
        workspace: WorkspaceId,
        epoch: EntryId,
        key: &EpochKey,
        to: impl IntoIterator<Item = RecipientKey>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Self> {
        let wraps = wrap_to(workspace, key, to, rng);
        let parts = wraps.chunks(limits::WRAPS);
        parts.map(|part| Self { version: KEYS_VERSION, epoch, wraps: part.to_vec() }).collect()
    }
}

/// Wraps `key` to every usable one of `to`, in their order and without repeating one.
pub(super) fn wrap_to(
    workspace: WorkspaceId,
    key: &EpochKey,
    to: impl IntoIterator<Item = RecipientKey>,
    rng: &mut impl CryptoRng,
) -> Vec<(RecipientKey, Wrap)> {
    let mut to: Vec<_> = to.into_iter().collect();
    to.sort_unstable();
    to.dedup();
    let wraps = to.into_iter().map(|recipient| (recipient, wrap::wrap(key, workspace, recipient, rng)));
    wraps.filter_map(|(recipient, wrap)| Some((recipient, wrap.ok()?))).collect()
}

fn recipients(wraps: &[(RecipientKey, Wrap)]) -> impl Iterator<Item = RecipientKey> {
    wraps.iter().map(|(recipient, _)| *recipient)
}

fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, EpochError> {
    if bytes.first().is_some_and(|version| *version != KEYS_VERSION) {
        return Err(EpochError::Newer);
    }
    Ok(codec::decode_canonical(bytes)?)
}

fn check_list<T: PartialOrd>(
    list: impl Iterator<Item = T>,
    limit: usize,
    what: &'static str,
) -> Result<(), EpochError> {
    let list: Vec<T> = list.collect();
    if list.len() > limit {
        return Err(EpochError::TooMany(limit, what));
    }
    if list.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(EpochError::Unordered(what)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    const SEALED: SealedKey = SealedKey { text: [1; 32], tag: [2; 16] };

    fn wraps(count: usize) -> Vec<(RecipientKey, Wrap)> {
        let recipient = |n: usize| {
            let mut bytes = [9; 32];
            bytes[..2].copy_from_slice(&(n as u16).to_be_bytes());
            RecipientKey(bytes)
        };
        (0..count).map(|n| (recipient(n), Wrap { enc: [3; 32], key: SEALED })).collect()
    }

    fn older(count: usize) -> Vec<Older> {
        let key = OlderKey { commitment: Commitment([4; 32]), sealed: SEALED };
        (0..count).map(|n| Older { epoch: EntryId([n as u8; 32]), key: Some(key) }).collect()
    }

    fn epoch(older_epochs: usize, recipients: usize) -> KeyEpoch {
        KeyEpoch {
            version: KEYS_VERSION,
            commitment: Commitment([5; 32]),
            older: older(older_epochs),
            wraps: wraps(recipients),
        }
    }

    fn share(recipients: usize) -> KeyShare {
        KeyShare { version: KEYS_VERSION, epoch: EntryId([6; 32]), wraps: wraps(recipients) }
    }

    #[test]
    fn the_largest_bodies_fit_an_entry_and_larger_ones_are_refused() {
        let (full, share_full) = (epoch(limits::OLDER_EPOCHS, limits::WRAPS), share(limits::WRAPS));
        let bytes = codec::encode(&full);
        assert!(bytes.len() <= limits::BODY, "{} bytes", bytes.len());
        assert_eq!(KeyEpoch::read(&bytes), Ok(full));
        assert_eq!(KeyShare::read(&codec::encode(&share_full)), Ok(share_full));
        let over = |body| KeyEpoch::read(&codec::encode(&body)).unwrap_err();
        let too_many = EpochError::TooMany;
        assert_eq!(over(epoch(0, limits::WRAPS + 1)), too_many(limits::WRAPS, "recipients"));
        assert_eq!(over(epoch(limits::OLDER_EPOCHS + 1, 0)), too_many(limits::OLDER_EPOCHS, "older epochs"));
        let over = KeyShare::read(&codec::encode(&share(limits::WRAPS + 1)));
        assert_eq!(over, Err(too_many(limits::WRAPS, "recipients")));
    }

    #[test]
    fn lists_ascend_and_bytes_are_canonical() {
        let unordered = |body: &KeyEpoch| KeyEpoch::read(&codec::encode(body)).unwrap_err();
        let mut body = epoch(2, 2);
        body.wraps[1].0 = body.wraps[0].0;
        assert_eq!(unordered(&body), EpochError::Unordered("recipients"));
        let mut body = epoch(2, 2);
        body.older.swap(0, 1);
        assert_eq!(unordered(&body), EpochError::Unordered("older epochs"));
        let bytes = codec::encode(&share(1));
        let longer = [&bytes[..33], &[251, 1, 0], &bytes[34..]].concat();
        assert_eq!(KeyShare::read(&longer), Err(EpochError::Body(CodecError::NotCanonical("KeyShare"))));
        assert!(KeyShare::read(&[&bytes[..], &[0]].concat()).is_err());
        assert!((0..bytes.len()).all(|cut| KeyShare::read(&bytes[..cut]).is_err()));
        assert_eq!(KeyShare::read(&[&[2], &bytes[1..]].concat()), Err(EpochError::Newer));
    }

    #[test]
    fn many_recipients_are_split_and_weak_ones_left_out() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut to: Vec<_> = recipients(&wraps(limits::WRAPS + 3)).collect();
        to.extend([RecipientKey([0; 32]), to[5]]);
        let key = EpochKey::from_bytes([2; 32]);
        let shares = KeyShare::split(WorkspaceId([3; 32]), EntryId([6; 32]), &key, to.clone(), &mut rng);
        let counts: Vec<_> = shares.iter().map(|share| share.wraps.len()).collect();
        assert_eq!(counts, [limits::WRAPS, 3]);
        assert!(shares.iter().all(|share| KeyShare::read(&codec::encode(share)).as_ref() == Ok(share)));
        let reached: Vec<_> = shares.iter().flat_map(KeyShare::recipients).collect();
        assert_eq!(reached, to[..limits::WRAPS + 3]);
    }
}
