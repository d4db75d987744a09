//! The data directory: where a device keeps everything, and who holds it.
//!
//! ```text
//! <data dir>/            mode 0700
//!   lock                 held by the one process that has the directory open; says which
//!   keys/                mode 0700; see `keystore`
//!   workspaces/<id>/
//!     record.json        what a device must remember besides the log; see `checked`
//!     log/               the truth; see `store`
//!     state/             rebuilt from the log when it is lost
//!     blobs/             the content of attachments; see `blobs::store`
//!   workspaces/forgotten-<id>   on its way out
//!   logs-in              where the logs lie, if they lie elsewhere
//!   address-book.json    where peers were reached
//!   peers.json           when they were here, and how much they lacked
//!   ballast              given up when the disk is full
//!   control.sock         see `control`
//!   logs/velo.log.DATE   see `logging`
//! ```
//!
//! One thing lies elsewhere on purpose: the [`marker`], which notices that this directory was
//! restored from a backup or copied.

pub(crate) mod checked;
mod elsewhere;
pub mod marker;

use crate::{control, limits, store::disk};
use marker::Markers;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use tempfile::{NamedTempFile, PersistError};
use velo_protocol::{id::WorkspaceId, replica::WorkspaceRecord};

/// Names the directory when no `--data-dir` is given.
pub const DATA_DIR_VAR: &str = "VELO_DATA_DIR";

/// What stands before the id in the name of a folder that is about to be deleted.
const FORGOTTEN: &str = "forgotten-";

/// Why a data directory could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// There is no home directory to put it in.
    #[error("no home directory was found: say where to keep the data with --data-dir or {DATA_DIR_VAR}")]
    NoHome,
    /// Another process has it open.
    #[error("{} is in use by {holder}: use that, close it, or give another --data-dir", path.display())]
    Held {
        /// The directory.
        path: PathBuf,
        /// Program and process id, as the holder wrote them.
        holder: String,
    },
    /// The disk or its permissions.
    #[error("{doing} {}: {}", path.display(), disk::trouble(source))]
    Io {
        /// What was tried, as in "writing".
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its logs lie somewhere else than they were looked for.
    #[error("the logs of {} lie in {there}, not in {here}: start it as before (a relay finds its database by DATABASE_URL), or give another --data-dir", path.display())]
    Elsewhere {
        /// The directory.
        path: PathBuf,
        /// Where they lie.
        there: String,
        /// Where they were looked for.
        here: String,
    },
    /// A file in it is not what this program wrote.
    #[error("{} is damaged ({reason}): restore it from a backup, or move it away", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Names the file in an error.
pub(crate) fn failed<'path>(
    doing: &'static str,
    path: &'path Path,
) -> impl FnOnce(io::Error) -> DataDirError + 'path {
    move |source| DataDirError::Io { doing, path: path.to_owned(), source }
}

/// An open data directory. Nobody else can open it until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Unlocked by the system when it is closed, also when the process is killed.
    _lock: File,
}

/// The name of the platform's folder for this program's data.
pub const PROGRAM: &str = "velo";

/// The directory used when none is named: `$VELO_DATA_DIR`, else where the platform keeps the data of
/// `program`.
pub fn default_path(program: &str) -> Result<PathBuf, DataDirError> {
    if let Some(path) = std::env::var_os(DATA_DIR_VAR).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let dirs = directories::ProjectDirs::from("", "", program).ok_or(DataDirError::NoHome)?;
    Ok(dirs.data_dir().to_owned())
}

/// What is remembered of the workspaces on this device.
#[derive(Debug, Default)]
pub struct Records {
    /// By id.
    pub whole: Vec<WorkspaceRecord>,
    /// Those whose record cannot be read, with the reason: the others can be used all the same.
    pub damaged: Vec<(WorkspaceId, DataDirError)>,
}

impl Records {
    /// Whether no workspace was ever founded or joined here.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.damaged.is_empty()
    }
}

/// The folder of the keys of the data directory at `path`, for those who only want these.
pub fn keys(path: &Path) -> PathBuf {
    path.join("keys")
}

/// The folder of one workspace in the data directory at `path`.
pub(crate) fn workspace_folder(path: &Path, workspace: WorkspaceId) -> PathBuf {
    path.join("workspaces").join(workspace.to_string())
}

/// The file of the addresses at which peers were reached from the data directory at `path`.
pub fn address_book(path: &Path) -> PathBuf {
    path.join("address-book.json")
}

/// Who has the directory at `path` open, as "velo (process 4711)". `None` if nobody has.
///
/// Whoever answers on the control socket is not disturbed; otherwise the lock is tried for a
/// moment, for which those who want it wait.
pub fn holder(path: &Path) -> Option<String> {
    let mut lock = File::open(path.join("lock")).ok()?;
    if control::is_served(path) {
        return Some(read_holder(&mut lock));
    }
    match lock.try_lock_shared() {
        Ok(()) | Err(TryLockError::Error(_)) => None,
        Err(TryLockError::WouldBlock) => Some(read_holder(&mut lock)),
    }
}

fn read_holder(lock: &mut File) -> String {
    let mut text = String::new();
    // The content only names the holder; the lock itself is the system's.
    let _ = lock.take(200).read_to_string(&mut text);
    let text = text.lines().next().unwrap_or_default().trim();
    if text.is_empty() { "another process".to_owned() } else { text.to_owned() }
}

impl DataDir {
    /// Opens the directory, creating it where needed, and locks it. Waits a moment for whoever has
    /// it open now, unless that process serves the control socket: it is there to stay.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        create_private_dir(path)?;
        let path = path.canonicalize().map_err(failed("opening", path))?;
        let lock = lock(&path)?;
        for part in ["workspaces", "logs", "keys"] {
            create_private_dir(&path.join(part))?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// Where it is, with symbolic links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the keys.
    pub fn keys(&self) -> PathBuf {
        keys(&self.path)
    }

    /// The folder of one workspace's log.
    pub fn log(&self, workspace: WorkspaceId) -> PathBuf {
        self.workspace(workspace).join("log")
    }

    /// The folder of one workspace's state.
    pub fn state(&self, workspace: WorkspaceId) -> PathBuf {
        self.workspace(workspace).join("state")
    }

    /// The folder of one workspace's attachments.
    pub fn blobs(&self, workspace: WorkspaceId) -> PathBuf {
        self.workspace(workspace).join("blobs")
    }

    /// The file of the addresses at which peers were reached.
    pub fn address_book(&self) -> PathBuf {
        address_book(&self.path)
    }

    /// The file of what is remembered of peers.
    pub fn peer_notes(&self) -> PathBuf {
        self.path.join("peers.json")
    }

    fn workspaces(&self) -> PathBuf {
        self.path.join("workspaces")
    }

    fn workspace(&self, workspace: WorkspaceId) -> PathBuf {
        workspace_folder(&self.path, workspace)
    }

    /// Remembers a workspace. Durable when it returns.
    pub fn remember(&self, record: &WorkspaceRecord) -> Result<(), DataDirError> {
        let folder = self.workspace(record.id);
        create_private_dir(&folder)?;
        let path = folder.join("record.json");
        let text = serde_json::to_vec_pretty(record)
            .map_err(|error| DataDirError::Damaged { path: path.clone(), reason: error.to_string() })?;
        write_durably(&path, &checked::with_sum(&text))?;
        sync_dir(&self.workspaces())
    }

    /// Deletes everything of a workspace, its marker too. It must not be open.
    ///
    /// First its folder gets a name that no workspace has, durably: cut off at any point, the whole
    /// workspace is there or nothing of it, and what is left is deleted at the next start.
    pub fn forget(&self, workspace: WorkspaceId, markers: &Markers) -> Result<(), DataDirError> {
        let (folder, doomed) = (self.workspace(workspace), self.doomed(workspace));
        // One that could not be deleted before would be in the way.
        remove_all(&doomed)?;
        fs::rename(&folder, &doomed).map_err(failed("removing", &folder))?;
        sync_dir(&self.workspaces())?;
        self.finish_forgetting(workspace, markers);
        Ok(())
    }

    /// Deletes what is left of workspaces whose forgetting was cut off.
    pub fn clear_forgotten(&self, markers: &Markers) -> Result<(), DataDirError> {
        for name in self.names()? {
            if let Some(workspace) = name.strip_prefix(FORGOTTEN).and_then(|id| id.parse().ok()) {
                self.finish_forgetting(workspace, markers);
            }
        }
        Ok(())
    }

    /// The marker first: while the folder is there, it is found again.
    fn finish_forgetting(&self, workspace: WorkspaceId, markers: &Markers) {
        let removed = markers.remove(workspace).and_then(|()| remove_all(&self.doomed(workspace)));
        if let Err(error) = removed {
            tracing::warn!(%error, "not everything of a forgotten workspace was deleted; it is tried again at the next start");
        }
    }

    fn doomed(&self, workspace: WorkspaceId) -> PathBuf {
        self.workspaces().join(format!("{FORGOTTEN}{workspace}"))
    }

    /// The names of what lies beside the workspaces, and theirs.
    fn names(&self) -> Result<Vec<String>, DataDirError> {
        let folder = self.workspaces();
        let items = fs::read_dir(&folder).map_err(failed("reading", &folder))?;
        let names = items.map(|item| Ok(item.map_err(failed("reading", &folder))?.file_name()));
        let names = names.collect::<Result<Vec<_>, DataDirError>>()?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Every workspace that was remembered.
    pub fn records(&self) -> Result<Records, DataDirError> {
        let mut records = Records::default();
        for name in self.names()? {
            // What else lies there, such as a file browser's notes, is nobody's workspace.
            let Ok(id) = name.parse() else { continue };
            match self.record(id) {
                Ok(Some(record)) => records.whole.push(record),
                Ok(None) => {}
                Err(error) => records.damaged.push((id, error)),
            }
        }
        records.whole.sort_by_key(|record| record.id);
        records.damaged.sort_by_key(|(id, _)| *id);
        Ok(records)
    }

    fn record(&self, id: WorkspaceId) -> Result<Option<WorkspaceRecord>, DataDirError> {
        let path = self.workspace(id).join("record.json");
        let damaged = |reason: String| DataDirError::Damaged { path: path.clone(), reason };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Cut off between making the folder and the record: nothing was written there yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.log(id).exists() => {
                return Ok(None);
            }
            Err(error) => return Err(failed("reading", &path)(error)),
        };
        let text = checked::without_sum(&bytes).ok_or_else(|| damaged(checked::WRONG.to_owned()))?;
        let record: WorkspaceRecord =
            serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        if record.id != id {
            return Err(damaged("it is that of another workspace".to_owned()));
        }
        Ok(Some(record))
    }

    /// Sets space aside for the day the disk is full. Done at each start; without enough space it
    /// is left out, since the lack will be told when it hurts.
    pub fn put_ballast(&self) {
        let path = self.path.join("ballast");
        let full_size = fs::metadata(&path).is_ok_and(|meta| meta.len() == limits::BALLAST_BYTES);
        let space = fs4::available_space(&self.path).unwrap_or(0);
        if full_size || space < 4 * limits::BALLAST_BYTES {
            return;
        }
        let written = File::create(&path).and_then(|file| {
            let mut file = io::BufWriter::new(file);
            // Written rather than truncated up: a hole would set nothing aside.
            io::copy(&mut io::repeat(1).take(limits::BALLAST_BYTES), &mut file)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "no space could be set aside for a full disk");
            self.release_ballast();
        }
    }

    /// Gives the space back.
    pub fn release_ballast(&self) {
        // A missing file is what is wanted.
        let _ = fs::remove_file(self.path.join("ballast"));
    }

    /// The bytes of everything in the directory but the ballast.
    pub fn size(&self) -> u64 {
        let total = folder_size(&self.path);
        total - fs::metadata(self.path.join("ballast")).map_or(0, |meta| meta.len()).min(total)
    }
}

/// The bytes of everything in a folder; 0 if it is not there.
pub(crate) fn folder_size(path: &Path) -> u64 {
    let Ok(items) = fs::read_dir(path) else { return 0 };
    let size = |item: fs::DirEntry| match item.metadata() {
        Ok(meta) if meta.is_dir() => folder_size(&item.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    items.flatten().map(size).sum()
}

fn lock(path: &Path) -> Result<File, DataDirError> {
    let file_path = path.join("lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&file_path).map_err(failed("opening", &file_path))?;
    let give_up = Instant::now() + Duration::from_millis(limits::LOCK_WAIT_MS);
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < give_up && !control::is_served(path) => {
                thread::sleep(Duration::from_millis(limits::LOCK_POLL_MS));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::Held { path: path.to_owned(), holder: read_holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed("locking", &file_path)(error)),
        }
    }
    let program = std::env::current_exe().ok().and_then(|exe| Some(exe.file_name()?.display().to_string()));
    let holder = format!("{} (process {})\n", program.as_deref().unwrap_or("velo"), std::process::id());
    let written =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
    written.map_err(failed("writing", &file_path))?;
    Ok(file)
}

/// Makes a folder that only its owner can enter, with its parents.
pub(crate) fn create_private_dir(path: &Path) -> Result<(), DataDirError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed("creating", path))
}

/// Replaces a file so that after a crash either the old or the new content is there. Readable by
/// its owner only. Durable when it returns.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new).map_err(failed("creating", &new))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("writing", &new))?;
    fs::rename(&new, path).map_err(failed("replacing", path))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Deletes a folder, if it is there.
fn remove_all(folder: &Path) -> Result<(), DataDirError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", folder)(error)),
        _ => Ok(()),
    }
}

/// Gives a file its name, unless something stands there. Sticks and shares may know no hard links, without
/// which that takes two steps.
pub(crate) fn persist_new(file: NamedTempFile, path: &Path) -> io::Result<()> {
    let Err(PersistError { error, file }) = file.persist_noclobber(path) else { return Ok(()) };
    if error.kind() == io::ErrorKind::AlreadyExists || path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    file.persist(path).map(drop).map_err(|failed| failed.error)
}

/// Makes the names in a folder durable. Windows has no such call and needs none.
pub(crate) fn sync_dir(path: &Path) -> Result<(), DataDirError> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("syncing", path))
}

#[cfg(test)]
mod tests;
