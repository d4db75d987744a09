//! From a file to blobs and back.

use super::store::{BlobError, BlobStore};
use crate::{keystore, store::disk};
use std::io::{self, Read, Write};
use velo_protocol::{
    blob::{Content, ContentCipher, ContentError, ContentKey, Manifest, ManifestError, PART},
    id::BlobId,
    limits,
};

/// Why a file was not attached, or not written out.
#[derive(Debug, thiserror::Error)]
pub enum ContentFault {
    /// The store.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The file to be attached.
    #[error("the file cannot be read: {}", disk::unreadable(.0))]
    Read(io::Error),
    /// The file to be written.
    #[error("the file cannot be written: {0}")]
    Write(io::Error),
    /// It grew or shrank.
    #[error("the file changed while it was read: try again when nobody writes to it")]
    Changed,
    /// Too large, or the manifest contradicts itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The key does not fit.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(getrandom::Error),
    /// Part of it is not on this device.
    #[error("the content is not on this device yet: fetch it first")]
    NotHere,
}

/// Blobs that were written for a file. They are deleted when this is dropped, unless an attachment may name
/// them by then: see [`crate::handle::NodeHandle::attach`]. Nobody else drops them meanwhile.
#[derive(Debug)]
pub struct Added {
    /// Where the content is found.
    pub content: Content,
    /// Bytes of the file.
    pub size: u64,
    /// All blobs of it, the manifest last.
    blobs: Vec<BlobId>,
    store: BlobStore,
    may_be_named: bool,
}

impl Added {
    /// Whether an attachment may name them from now on. If one may and does not, they go with the sweep.
    pub(crate) fn set_may_be_named(&mut self, may_be_named: bool) {
        self.may_be_named = may_be_named;
    }

    /// An attachment names them.
    #[cfg(test)]
    pub(crate) fn keep(mut self) {
        self.may_be_named = true;
    }
}

impl Drop for Added {
    fn drop(&mut self) {
        for blob in &self.blobs {
            self.store.release(*blob);
            // Their key is new, so nobody else's they are. What cannot be deleted now goes with the sweep.
            if !self.may_be_named
                && let Err(error) = self.store.remove(*blob)
            {
                tracing::warn!(%error, "a part of a file that was not attached is left");
            }
        }
    }
}

/// Keeps the content of a file of `size` bytes: durable when it returns. Tells how many bytes it has
/// done, and leaves nothing behind if it fails.
pub fn add(
    store: &BlobStore,
    file: &mut impl Read,
    size: u64,
    mut told: impl FnMut(u64),
) -> Result<Added, ContentFault> {
    if size > limits::ATTACHMENT_BYTES {
        return Err(ManifestError::TooLarge.into());
    }
    let key = ContentKey::from_bytes(keystore::random().map_err(ContentFault::NoRandomness)?);
    let cipher = ContentCipher::new(&key, size);
    let content = Content { manifest: BlobId([0; 32]), key };
    let mut added = Added { content, size, blobs: Vec::new(), store: store.clone(), may_be_named: false };
    let mut part = vec![0; PART];
    for number in 0..Manifest::parts(size) as u32 {
        let len = Manifest::part_len(size, number).unwrap_or_default();
        file.read_exact(&mut part[..len]).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ContentFault::Changed,
            _ => ContentFault::Read(error),
        })?;
        added.write(&cipher.seal(number, &part[..len])?)?;
        told(u64::from(number) * PART as u64 + len as u64);
    }
    if file.read(&mut part[..1]).map_err(ContentFault::Read)? != 0 {
        return Err(ContentFault::Changed);
    }
    let manifest = Manifest::new(size, added.blobs.clone())?;
    added.content.manifest = added.write(&manifest.encode())?;
    store.sync()?;
    Ok(added)
}

impl Added {
    fn write(&mut self, bytes: &[u8]) -> Result<BlobId, BlobError> {
        let blob = BlobId::of(bytes);
        self.store.hold(blob);
        self.blobs.push(blob);
        self.store.write(bytes).map(|(blob, _)| blob)
    }
}

/// How much of an attachment is on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Presence {
    /// Parts that are here.
    pub have: u64,
    /// Of how many; 0 as long as that is not known.
    pub of: u64,
    /// Bytes of the file that are here, or on their way in a part that is not whole yet.
    pub bytes: u64,
    /// Whether all of it is here.
    pub whole: bool,
}

/// How much of it is here, without a look at the bytes.
pub fn presence(store: &BlobStore, content: &Content) -> Result<Presence, BlobError> {
    let Some(manifest) = store.manifest(content.manifest)? else {
        return Ok(Presence { have: 0, of: 0, bytes: 0, whole: false });
    };
    let missing = store.missing(&manifest)?;
    let here = (0..).zip(manifest.blobs()).filter(|(_, blob)| !missing.contains(blob));
    let (mut have, mut bytes) = (0, 0);
    for (number, _) in here {
        have += 1;
        bytes += Manifest::part_len(manifest.size(), number).unwrap_or(0) as u64;
    }
    let of = manifest.blobs().len() as u64;
    Ok(Presence { have, of, bytes, whole: have == of })
}

/// Writes the content out. [`ContentFault::NotHere`] if a part is missing or damaged; that part can be
/// fetched again then.
pub fn read_out(store: &BlobStore, content: &Content, out: &mut impl Write) -> Result<u64, ContentFault> {
    let manifest = store.manifest(content.manifest)?.ok_or(ContentFault::NotHere)?;
    let cipher = ContentCipher::new(&content.key, manifest.size());
    for (number, blob) in (0..).zip(manifest.blobs()) {
        let bytes = store.read(*blob)?.ok_or(ContentFault::NotHere)?;
        out.write_all(&cipher.open(number, bytes)?).map_err(ContentFault::Write)?;
    }
    Ok(manifest.size())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    fn store() -> (tempfile::TempDir, BlobStore) {
        let home = tempfile::tempdir().unwrap();
        let store = BlobStore::open(home.path().join("blobs"));
        (home, store)
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn what_is_attached_comes_out_again(len in prop_oneof![Just(0), Just(1), Just(PART), Just(PART + 1), 0..3 * PART]) {
            let (_home, store) = store();
            let file = bytes(len);
            let added = add(&store, &mut &*file, len as u64, |_| {}).unwrap();
            let content = added.content.clone();
            added.keep();
            let mut out = Vec::new();
            prop_assert_eq!(read_out(&store, &content, &mut out).unwrap(), len as u64);
            prop_assert_eq!(out, file);
            prop_assert!(presence(&store, &content).unwrap().whole);
        }
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let (_home, store) = store();
        let file = bytes(PART + 5);
        drop(add(&store, &mut &*file, file.len() as u64, |_| {}).unwrap());
        assert_eq!(store.list().unwrap(), []);
        for wrong in [file.len() as u64 - 1, file.len() as u64 + 1] {
            let failed = add(&store, &mut &*file, wrong, |_| {}).unwrap_err();
            assert!(matches!(failed, ContentFault::Changed), "{failed}");
            assert_eq!(store.list().unwrap(), []);
        }
    }

    #[test]
    fn a_missing_part_is_told_and_nothing_wrong_is_written() {
        let (home, store) = store();
        let file = bytes(2 * PART);
        let added = add(&store, &mut &*file, file.len() as u64, |_| {}).unwrap();
        let content = added.content.clone();
        let second = added.blobs[1];
        added.keep();
        let place = home.path().join("blobs").join(second.to_string());
        let mut damaged = fs::read(&place).unwrap();
        damaged[99] ^= 4;
        fs::write(&place, damaged).unwrap();
        let mut out = Vec::new();
        assert!(matches!(read_out(&store, &content, &mut out), Err(ContentFault::NotHere)));
        assert_eq!(out, file[..PART], "only what was right");
        assert_eq!(
            presence(&store, &content).unwrap(),
            Presence { have: 1, of: 2, bytes: PART as u64, whole: false }
        );
    }

    /// Every write, sync and creation fails once.
    #[cfg(feature = "testing")]
    #[test]
    fn a_full_disk_says_what_to_do_and_leaves_nothing() {
        let file = bytes(2 * PART);
        for good in 0..11 {
            let home = tempfile::tempdir().unwrap();
            let disk = disk::FailingDisk::new(good, io::ErrorKind::StorageFull);
            let store = BlobStore::on(home.path().join("blobs"), disk.clone());
            let failed = add(&store, &mut &*file, file.len() as u64, |_| {}).unwrap_err();
            assert!(failed.to_string().contains("velo storage clean"), "{failed}");
            let left = fs::read_dir(home.path().join("blobs")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "after {good} operations");
            disk.mend();
            add(&store, &mut &*file, file.len() as u64, |_| {}).unwrap();
        }
    }
}
