//! Notices that a data directory was restored from a backup or copied.
//!
//! A device that goes on writing its own log from an older state would give a position out twice:
//! a fork. So how far the own log of each workspace reached is also noted outside the directory, in
//! the platform's state folder, which people do not back up along with their data:
//!
//! ```text
//! <state dir>/velo/<device>-<hash of the data dir's path>/<workspace>
//!   own log, 32 bytes | last durable position, u64 | CRC32C of both, u32
//! ```
//!
//! The position is written after each commit, before the commit is told to anybody, without a sync
//! of its own: after a killed process it is exact. After a power cut it may lie behind, never
//! ahead; a backup then goes unnoticed only if it was taken in those last seconds. Being too
//! careful costs one more log, nothing else.

use super::{DataDirError, create_private_dir, failed};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};
use velo_protocol::{
    id::{DeviceId, LogId, WorkspaceId},
    log::Head,
};

/// Names the state folder, for tests and for devices without a home directory.
pub const STATE_DIR_VAR: &str = "VELO_STATE_DIR";

const LENGTH: usize = 32 + 8 + 4;

/// The folder of the markers of one data directory.
#[derive(Debug, Clone)]
pub struct Markers {
    folder: PathBuf,
}

impl Markers {
    /// The markers of the data directory at `data_dir`, kept below `state_dir`.
    pub fn open(state_dir: &Path, device: DeviceId, data_dir: &Path) -> Result<Self, DataDirError> {
        let place = blake3::hash(data_dir.as_os_str().as_encoded_bytes()).to_hex();
        let folder = state_dir.join(format!("{}-{}", device.short(), &place[..16]));
        create_private_dir(&folder)?;
        Ok(Self { folder })
    }

    /// Removes the marker of one workspace, if there is one.
    pub fn remove(&self, workspace: WorkspaceId) -> Result<(), DataDirError> {
        let path = self.path(workspace);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", &path)(error)),
            _ => Ok(()),
        }
    }

    fn path(&self, workspace: WorkspaceId) -> PathBuf {
        self.folder.join(workspace.to_string())
    }

    /// The marker of one workspace.
    pub fn marker(&self, workspace: WorkspaceId) -> Result<Marker, DataDirError> {
        let path = self.path(workspace);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed("opening", &path))?;
        let mut bytes = Vec::new();
        (&mut file).take(2 * LENGTH as u64).read_to_end(&mut bytes).map_err(failed("reading", &path))?;
        Ok(Marker { reached: parse(&bytes), file })
    }
}

/// The state folder used when none is named: `$VELO_STATE_DIR`, else the platform's. Platforms
/// without one have a local data folder that roaming profiles and backups commonly leave out.
pub fn default_state_dir() -> Result<PathBuf, DataDirError> {
    if let Some(path) = std::env::var_os(STATE_DIR_VAR).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let dirs = directories::ProjectDirs::from("", "", "velo").ok_or(DataDirError::NoHome)?;
    Ok(dirs.state_dir().map_or_else(|| dirs.data_local_dir().join("state"), Path::to_owned))
}

/// How far an own log reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reached {
    log: LogId,
    position: u64,
}

/// How far the own log of one workspace reached, noted outside the data directory.
#[derive(Debug)]
pub struct Marker {
    reached: Option<Reached>,
    file: File,
}

impl Marker {
    /// Whether the own log, found on disk at `stored`, may have been cut back: it once reached
    /// further, another own log came after it, or nothing is known although it was written to.
    pub fn tells_cut_back(&self, log: LogId, stored: Head) -> bool {
        match self.reached {
            Some(reached) => reached.log != log || reached.position > stored.position,
            None => stored.position > 0,
        }
    }

    /// How far `log` durably reached, if that is known.
    pub fn reached(&self, log: LogId) -> Option<u64> {
        let reached = self.reached.filter(|reached| reached.log == log && reached.position < u64::MAX);
        reached.map(|reached| reached.position)
    }

    /// Notes that `log` durably reached `position`.
    pub fn advance(&mut self, log: LogId, position: u64) -> io::Result<()> {
        let mut bytes = [0; LENGTH];
        bytes[..32].copy_from_slice(&log.0);
        bytes[32..40].copy_from_slice(&position.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..40]);
        bytes[40..].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all_at(&bytes, 0)?;
        self.reached = Some(Reached { log, position });
        Ok(())
    }

    /// Notes that `log` may have been longer than it is here, whatever is found later: entries of
    /// it that peers bring back may not be all.
    pub fn doubt(&mut self, log: LogId) -> io::Result<()> {
        self.advance(log, u64::MAX)?;
        self.sync()
    }

    /// Makes the note survive a power cut.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn parse(bytes: &[u8]) -> Option<Reached> {
    let bytes: &[u8; LENGTH] = bytes.try_into().ok()?;
    let (content, sum) = bytes.split_last_chunk::<4>()?;
    let (log, position) = content.split_last_chunk::<8>()?;
    (crc32c::crc32c(content) == u32::from_le_bytes(*sum))
        .then_some(Reached { log: LogId(log.try_into().ok()?), position: u64::from_le_bytes(*position) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use velo_protocol::id::EntryId;

    fn at(position: u64) -> Head {
        Head { position, id: EntryId([0; 32]) }
    }

    #[test]
    fn a_log_cut_back_copied_or_replaced_is_noticed() {
        let state = tempfile::tempdir().unwrap();
        let (device, workspace, log) = (DeviceId([1; 32]), WorkspaceId([2; 32]), LogId([3; 32]));
        let open = |data_dir: &str| {
            Markers::open(state.path(), device, Path::new(data_dir)).unwrap().marker(workspace).unwrap()
        };
        let mut marker = open("/one");
        assert!(!marker.tells_cut_back(log, at(0)), "a new log");
        marker.advance(log, 7).unwrap();
        marker.sync().unwrap();
        let marker = open("/one");
        assert!(!marker.tells_cut_back(log, at(7)));
        assert!(!marker.tells_cut_back(log, at(9)), "a power cut leaves the marker behind");
        assert!(marker.tells_cut_back(log, at(6)), "restored from a backup");
        assert!(marker.tells_cut_back(LogId([4; 32]), at(9)), "restored from before a new log");
        assert!(open("/two").tells_cut_back(log, at(7)), "copied");
    }

    #[test]
    fn damage_counts_as_unknown() {
        let mut bytes = [0; LENGTH];
        bytes[40..].copy_from_slice(&crc32c::crc32c(&[0; 40]).to_le_bytes());
        assert_eq!(parse(&bytes), Some(Reached { log: LogId([0; 32]), position: 0 }));
        for bit in 0..8 * LENGTH {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&other), None, "bit {bit}");
        }
        assert_eq!(parse(&bytes[..43]), None);
    }
}
