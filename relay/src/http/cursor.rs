//! How far somebody has read the changes of a workspace.
//!
//! A cursor names a life of the database ([`Generation`]), a position in the workspace and the entry that stands
//! there: where another one does, an older copy of the database was put back, or the workspace was forgotten and
//! came again. It is a MAC'd string
//! of which nobody but relays can say anything: so they may change what is in it, and nobody makes one up. All
//! relays on one database accept each other's if they share `JWT_SECRET`.

use super::problem::Problem;
use data_encoding::BASE64URL_NOPAD;
use velo_protocol::id::{EntryId, WorkspaceId};

const VERSION: u8 = 1;
const MAC: usize = 16;
const LEN: usize = 1 + 16 + 8 + 32 + MAC;

/// Which life of the database positions belong to. Restoring an older state begins another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(pub [u8; 16]);

/// A position in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Counted from 1; 0 is before everything.
    pub position: i64,
    /// What stands there; zeros before everything.
    pub entry: EntryId,
}

impl Mark {
    /// Before everything.
    pub const START: Self = Self { position: 0, entry: EntryId([0; 32]) };
}

/// What a cursor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Everything up to here was read.
    After(Mark),
    /// It is of another life of the database: what was read may not be there any more.
    Elsewhere,
}

/// Makes cursors and reads them.
#[derive(Debug, Clone)]
pub(super) struct Cursors {
    key: [u8; 32],
}

impl Cursors {
    /// `salt`: drawn by the database, once.
    pub fn new(secret: &[u8], salt: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("velo 2026 relay cursor");
        hasher.update(&(secret.len() as u64).to_le_bytes()).update(secret).update(salt);
        Self { key: *hasher.finalize().as_bytes() }
    }

    fn mac(&self, workspace: WorkspaceId, said: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&workspace.0).update(said).finalize()
    }

    pub fn make(&self, workspace: WorkspaceId, generation: Generation, mark: Mark) -> String {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.push(VERSION);
        bytes.extend_from_slice(&generation.0);
        bytes.extend_from_slice(&mark.position.to_be_bytes());
        bytes.extend_from_slice(&mark.entry.0);
        let mac = self.mac(workspace, &bytes);
        bytes.extend_from_slice(&mac.as_bytes()[..MAC]);
        BASE64URL_NOPAD.encode(&bytes)
    }

    pub fn read(
        &self,
        workspace: WorkspaceId,
        generation: Generation,
        cursor: &str,
    ) -> Result<Place, Problem> {
        let wrong = || {
            let detail = "that is no cursor of this workspace, or of a relay that had another JWT_SECRET: leave it \
                          out to start over";
            Problem::bad("invalid_cursor", detail)
        };
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| wrong())?;
        let bytes: [u8; LEN] = bytes.try_into().map_err(|_| wrong())?;
        let (said, given) = bytes.split_at(LEN - MAC);
        // Compared in constant time, as hashes are.
        let mut mac = *self.mac(workspace, said).as_bytes();
        let expected = blake3::Hash::from_bytes(mac);
        mac[..MAC].copy_from_slice(given);
        if blake3::Hash::from_bytes(mac) != expected || said[0] != VERSION {
            return Err(wrong());
        }
        if said[1..17] != generation.0 {
            return Ok(Place::Elsewhere);
        }
        let position = said[17..25].try_into().map(i64::from_be_bytes).map_err(|_| wrong())?;
        let entry = said[25..].try_into().map(EntryId).map_err(|_| wrong())?;
        Ok(Place::After(Mark { position, entry }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: WorkspaceId = WorkspaceId([1; 32]);
    const GENERATION: Generation = Generation([2; 16]);
    const MARK: Mark = Mark { position: 77, entry: EntryId([5; 32]) };

    #[test]
    fn relays_with_one_secret_read_each_others_cursors() {
        let (here, there) = (Cursors::new(&[3; 32], &[4; 16]), Cursors::new(&[3; 32], &[4; 16]));
        let cursor = here.make(WORKSPACE, GENERATION, MARK);
        assert_eq!(there.read(WORKSPACE, GENERATION, &cursor).unwrap(), Place::After(MARK));
        assert_eq!(there.read(WORKSPACE, Generation([9; 16]), &cursor).unwrap(), Place::Elsewhere);
    }

    #[test]
    fn nobody_makes_one_up() {
        let cursors = Cursors::new(&[3; 32], &[4; 16]);
        let cursor = cursors.make(WORKSPACE, GENERATION, MARK);
        for other in [Cursors::new(&[9; 32], &[4; 16]), Cursors::new(&[3; 32], &[9; 16])] {
            assert!(other.read(WORKSPACE, GENERATION, &cursor).is_err());
        }
        assert!(cursors.read(WorkspaceId([9; 32]), GENERATION, &cursor).is_err(), "of another workspace");
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let made_up = BASE64URL_NOPAD.encode(&bytes);
            assert!(cursors.read(WORKSPACE, GENERATION, &made_up).is_err(), "byte {at}");
        }
        for text in ["", "77", "é", "' OR 1=1 --", &cursor[1..], &format!("{cursor}A")] {
            assert!(cursors.read(WORKSPACE, GENERATION, text).is_err(), "{text}");
        }
    }
}
