//! Which blobs a file is made of.

use crate::{
    codec::{self, CodecError},
    id::BlobId,
    limits,
};
use serde::{Deserialize, Serialize};

/// Bytes of a file in one blob, all but the last.
pub const PART: usize = limits::BLOB - limits::BODY_TAG;

const VERSION: u8 = 1;

/// The list of a file's blobs. Everything else follows from the size of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u8,
    size: u64,
    blobs: Vec<BlobId>,
}

/// Why bytes are no manifest. As they are named by their hash, so wrote it who attached the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not understood.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Another version.
    #[error("the attachment was made with a newer version of Velo: update to open it")]
    Version(u8),
    /// Too large.
    #[error("an attachment holds at most {} MiB", limits::ATTACHMENT_BYTES >> 20)]
    TooLarge,
    /// The number of blobs does not follow from the size.
    #[error("the list of the attachment's parts contradicts itself: ask for the file anew")]
    Contradiction,
}

impl Manifest {
    /// Of a file of `size` bytes in these blobs.
    pub fn new(size: u64, blobs: Vec<BlobId>) -> Result<Self, ManifestError> {
        let manifest = Self { version: VERSION, size, blobs };
        manifest.check().map(|()| manifest)
    }

    /// The bytes of the blob that it is.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads it from its blob.
    pub fn decode(blob: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = codec::decode_canonical(blob)?;
        manifest.check().map(|()| manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.version != VERSION {
            return Err(ManifestError::Version(self.version));
        }
        if self.size > limits::ATTACHMENT_BYTES {
            return Err(ManifestError::TooLarge);
        }
        if self.blobs.len() as u64 != Self::parts(self.size) {
            return Err(ManifestError::Contradiction);
        }
        Ok(())
    }

    /// Bytes of the file.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Its blobs, in order.
    pub fn blobs(&self) -> &[BlobId] {
        &self.blobs
    }

    /// Parts of a file of `size` bytes.
    pub const fn parts(size: u64) -> u64 {
        size.div_ceil(PART as u64)
    }

    /// Length of one part of a file of `size` bytes.
    pub fn part_len(size: u64, number: u32) -> Option<usize> {
        let rest = size.checked_sub(u64::from(number) * PART as u64).filter(|rest| *rest > 0)?;
        Some(rest.min(PART as u64) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_fits_into_a_blob() {
        let parts = Manifest::parts(limits::ATTACHMENT_BYTES);
        let blobs = (0..parts).map(|n| BlobId::of(&n.to_le_bytes())).collect();
        let manifest = Manifest::new(limits::ATTACHMENT_BYTES, blobs).unwrap();
        let blob = manifest.encode();
        assert!(blob.len() <= limits::BLOB, "{}", blob.len());
        assert_eq!(Manifest::decode(&blob), Ok(manifest));
        assert_eq!(Manifest::new(limits::ATTACHMENT_BYTES + 1, Vec::new()), Err(ManifestError::TooLarge));
    }

    proptest! {
        #[test]
        fn parts_cover_the_file(size in 0..limits::ATTACHMENT_BYTES) {
            let parts = Manifest::parts(size) as u32;
            let lengths: Option<Vec<usize>> = (0..parts).map(|n| Manifest::part_len(size, n)).collect();
            prop_assert_eq!(lengths.unwrap().iter().map(|len| *len as u64).sum::<u64>(), size);
            prop_assert_eq!(Manifest::part_len(size, parts), None);
        }

        #[test]
        fn a_wrong_number_of_blobs_is_refused(parts in 0usize..20, extra in 1usize..3) {
            let size = (parts * PART) as u64;
            let blobs = |count| vec![BlobId([1; 32]); count];
            prop_assert!(Manifest::new(size, blobs(parts)).is_ok());
            prop_assert_eq!(Manifest::new(size, blobs(parts + extra)), Err(ManifestError::Contradiction));
        }

        #[test]
        fn hostile_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(manifest) = Manifest::decode(&bytes) {
                prop_assert_eq!(manifest.encode(), bytes);
            }
        }
    }
}
