//! The log file: what happened, for whoever looks into trouble. One file a day in `logs/`, the
//! oldest removed. `VELO_LOG` sets levels, as in `VELO_LOG=velo_node=debug`.
//!
//! What writes lines does not know which node they are about, and there is one place a process that
//! they go to. So several nodes in one process, as in tests, each get the lines of all.
//!
//! Log lines never hold secrets, nor what people wrote.

use crate::{
    data_dir::{DataDir, DataDirError, failed},
    limits,
};
use std::{
    io::{self, Write},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use tracing_appender::{
    non_blocking::{NonBlocking, WorkerGuard},
    rolling::{RollingFileAppender, Rotation},
};
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Sets levels for the log file.
pub const LOG_VAR: &str = "VELO_LOG";

/// The log files of this process that are written to, by number.
static FILES: RwLock<Vec<(u64, NonBlocking)>> = RwLock::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Lines are on disk at the latest when this is dropped.
#[must_use = "dropping it ends the log"]
#[derive(Debug)]
pub struct Logging {
    number: u64,
    _writes: WorkerGuard,
}

impl Drop for Logging {
    fn drop(&mut self) {
        let mut files = FILES.write().unwrap_or_else(PoisonError::into_inner);
        files.retain(|(number, _)| *number != self.number);
    }
}

/// Begins to log into the directory.
pub fn start(dir: &DataDir) -> Result<Logging, DataDirError> {
    let folder = dir.path().join("logs");
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("velo.log")
        .max_log_files(limits::LOG_FILES)
        .build(&folder)
        .map_err(|error| failed("opening", &folder)(io::Error::other(error)))?;
    // A full disk or a slow one must not hold up the node: lines are dropped instead.
    let (file, writes) = tracing_appender::non_blocking(file);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    FILES.write().unwrap_or_else(PoisonError::into_inner).push((number, file));
    let to_files = fmt::layer().with_writer(|| EveryFile).with_ansi(false).with_filter(filter());
    // Fails from the second time on, and where the program has a log of its own.
    let _ = tracing_subscriber::registry().with(to_files).try_init();
    Ok(Logging { number, _writes: writes })
}

/// Writes to every log file of this process.
struct EveryFile;

impl Write for EveryFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        for (_, file) in FILES.read().unwrap_or_else(PoisonError::into_inner).iter() {
            file.clone().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_env(LOG_VAR).unwrap_or_else(|_| EnvFilter::new("info,libp2p=warn,sled=warn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_files_of_those_who_log_then() {
        let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let dirs: Vec<DataDir> = homes.iter().map(|home| DataDir::open(home.path()).unwrap()).collect();
        let first = start(&dirs[0]).unwrap();
        tracing::error!(found = 7, "a line to be found");
        let second = start(&dirs[1]).unwrap();
        drop(first);
        tracing::error!("a second line");
        drop(second);
        let text = |home: &tempfile::TempDir| -> String {
            let files = std::fs::read_dir(home.path().join("logs")).unwrap();
            files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
        };
        let (one, two) = (text(&homes[0]), text(&homes[1]));
        assert!(one.contains("a line to be found") && one.contains("found=7"), "{one}");
        assert!(two.contains("a second line") && !two.contains("to be found"), "{two}");
        assert!(!one.contains("a second line"), "{one}");
    }
}
