//! The log file: what happened, for whoever looks into trouble. One file a day in `logs/`, the
//! oldest removed; on standard error too when asked. `VELO_LOG` sets levels, as in
//! `VELO_LOG=velo_node=debug`.
//!
//! Log lines never hold secrets, nor what people wrote.

use crate::{
    data_dir::{DataDir, DataDirError, failed},
    limits,
};
use tracing_appender::{
    non_blocking::WorkerGuard,
    rolling::{RollingFileAppender, Rotation},
};
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Sets levels for log file and standard error.
pub const LOG_VAR: &str = "VELO_LOG";

/// Lines are on disk at the latest when this is dropped.
#[must_use = "dropping it ends the log"]
#[derive(Debug)]
pub struct Logging(#[expect(dead_code, reason = "held for its drop")] WorkerGuard);

/// Starts the log of this process; a second start in one process only adds a file that nobody
/// writes to. `stderr` repeats it there.
pub fn start(dir: &DataDir, stderr: bool) -> Result<Logging, DataDirError> {
    let folder = dir.path().join("logs");
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("velo.log")
        .max_log_files(limits::LOG_FILES)
        .build(&folder)
        .map_err(|error| failed("opening", &folder)(std::io::Error::other(error)))?;
    // A full disk or a slow one must not hold up the node: lines are dropped instead.
    let (file, guard) = tracing_appender::non_blocking(file);
    let to_file = fmt::layer().with_writer(file).with_ansi(false).with_filter(filter());
    let to_stderr = stderr.then(|| fmt::layer().with_writer(std::io::stderr).with_filter(filter()));
    // Fails when a log was started before: by a test, or by another node in this process.
    let _ = tracing_subscriber::registry().with(to_file).with(to_stderr).try_init();
    Ok(Logging(guard))
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_env(LOG_VAR).unwrap_or_else(|_| EnvFilter::new("info,libp2p=warn,sled=warn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_file_when_the_log_ends() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::open(home.path()).unwrap();
        let logging = start(&dir, false).unwrap();
        tracing::error!(found = 7, "a line to be found");
        drop(logging);
        let files = std::fs::read_dir(home.path().join("logs")).unwrap();
        let text: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        assert!(text.contains("a line to be found") && text.contains("found=7"), "{text}");
    }
}
