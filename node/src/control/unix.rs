//! The control socket as a Unix domain socket in the data directory.
//!
//! A socket's path may have 107 bytes on Linux and 103 on macOS. A data directory with a longer
//! path is reached by a short link in the temporary folder of the user, named by a hash.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink},
        net::UnixStream as Blocking,
    },
    path::{Path, PathBuf},
};
use tokio::net::{UnixListener, UnixStream};

pub type Listener = UnixListener;

/// The longest path that every Unix takes for a socket.
const PATH_BYTES: usize = 100;

pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// A path to the same socket that is short enough.
fn short(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().len() <= PATH_BYTES {
        return Ok(path.to_owned());
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = folder.canonicalize()?;
    let owner = fs::metadata(&folder)?.uid();
    let links = std::env::temp_dir().join(format!("velo-{owner}"));
    match fs::DirBuilder::new().mode(0o700).create(&links) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let meta = fs::symlink_metadata(&links)?;
    if !meta.is_dir() || meta.uid() != owner || meta.mode() & 0o077 != 0 {
        let reason = format!("{} belongs to somebody else", links.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    let hash = blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex();
    let link = links.join(&hash[..16]);
    match symlink(&folder, &link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(link.join(name)),
    }
}

pub fn bind(path: &Path) -> io::Result<Listener> {
    remove(path);
    let listener = UnixListener::bind(short(path)?)?;
    // Until here the folder's mode keeps others out.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

pub fn remove(path: &Path) {
    // A missing socket is what is wanted; any other trouble shows when it is bound.
    let _ = fs::remove_file(path);
}

pub async fn accept(listener: &mut Listener) -> io::Result<UnixStream> {
    listener.accept().await.map(|(stream, _)| stream)
}

/// `None` when no process serves the socket: it is missing, or was left behind.
pub fn connect(path: &Path) -> io::Result<Option<Blocking>> {
    if !path.exists() {
        return Ok(None);
    }
    match Blocking::connect(short(path)?) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
