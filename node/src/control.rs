//! The control socket: how `velo` commands reach the process that holds the data directory.
//!
//! Clients write one JSON value a line and get one JSON value a line back, in order. What the
//! values mean is the handler's matter ([`serve`] is given one); here only their carriage is
//! settled: a line is at most [`limits::CONTROL_LINE`] long, what is not JSON is answered with
//! `{"error": {"code": "malformed", "message": …}}`, and the connection lives on. Every client is
//! served by a task of its own, so a slow or broken one stops nobody else. There is a number of
//! places for clients: who neither asks nor reads for a while loses theirs, and who closes the
//! connection before the answer is there is waited for no longer.
//!
//! Whoever can open the socket can do everything the person can: it lies in the data directory
//! (0700) and has mode 0600. [`endpoint`] is the only part that differs between systems.

#[cfg(unix)]
#[path = "control/unix.rs"]
mod endpoint;

use crate::limits;
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};

const IDLE: Duration = Duration::from_millis(limits::CONTROL_IDLE_MS);

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket could not be made.
    #[error("the control socket {} could not be made: {source}", path.display())]
    Bind {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke. What was asked for may or may not have been done.
    #[error("the running Velo did not answer ({0}): look with `velo status` whether it was done")]
    Broken(io::Error),
    /// Not a value of this protocol.
    #[error("the running Velo answered with something else than JSON: is it another version?")]
    Malformed,
}

/// A served control socket. Dropping it closes it and ends its clients' tasks.
#[derive(Debug)]
pub struct ControlServer {
    task: tokio::task::JoinHandle<()>,
    path: PathBuf,
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.task.abort();
        endpoint::remove(&self.path);
    }
}

/// Serves the socket of `data_dir` with `handler`. Only for the process that holds the directory:
/// a socket that lies there already was left by a process that was killed, and is replaced.
///
/// Must be called in a tokio runtime.
pub fn serve<H, F>(data_dir: &Path, handler: H) -> Result<ControlServer, ControlError>
where
    H: Fn(Value) -> F + Send + Sync + 'static,
    F: Future<Output = Value> + Send + 'static,
{
    let path = endpoint::path(data_dir);
    let listener =
        endpoint::bind(&path).map_err(|source| ControlError::Bind { path: path.clone(), source })?;
    let task = tokio::spawn(accept(listener, Arc::new(handler)));
    Ok(ControlServer { task, path })
}

async fn accept<H, F>(mut listener: endpoint::Listener, handler: Arc<H>)
where
    H: Fn(Value) -> F + Send + Sync + 'static,
    F: Future<Output = Value> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits::CONTROL_CLIENTS));
    let mut clients = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match endpoint::accept(&mut listener).await {
            Ok(stream) => drop(clients.spawn(client(stream, handler.clone(), place, IDLE))),
            Err(error) => {
                // Out of file descriptors, most likely: others may close some.
                tracing::warn!(%error, "a client of the control socket could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while clients.try_join_next().is_some() {}
    }
}

pub(crate) async fn client<S, H, F>(stream: S, handler: Arc<H>, _place: OwnedSemaphorePermit, idle: Duration)
where
    S: AsyncRead + AsyncWrite,
    H: Fn(Value) -> F,
    F: Future<Output = Value>,
{
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::new(reader);
    // A client that is gone has nothing to be told, and one that is silent gives its place up.
    while let Ok(Ok(Some(line))) = timeout(idle, read_line(&mut reader, limits::CONTROL_LINE)).await {
        let answer = match line {
            Line::Whole(bytes) => match serde_json::from_slice(&bytes) {
                Ok(request) => tokio::select! {
                    answer = handler(request) => answer,
                    () = gone(&mut reader) => return,
                },
                Err(error) => malformed(&format!("the request is not JSON: {error}")),
            },
            Line::TooLong => {
                malformed(&format!("the request is longer than {} KiB", limits::CONTROL_LINE / 1024))
            }
        };
        let mut bytes = answer.to_string().into_bytes();
        bytes.push(b'\n');
        if !matches!(timeout(idle, writer.write_all(&bytes)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// Returns when the client has closed its side: it was interrupted, and waits for nothing any more.
async fn gone(reader: &mut (impl AsyncBufRead + Unpin)) {
    match reader.fill_buf().await {
        Ok([]) | Err(_) => {}
        // It has asked the next thing already.
        Ok(_) => std::future::pending().await,
    }
}

fn malformed(message: &str) -> Value {
    json!({ "error": { "code": "malformed", "message": message } })
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Whole(Vec<u8>),
    TooLong,
}

/// The next line, without its end; `None` at the end of the stream. Of a line that is too long
/// nothing is kept, but it is read to its end, so that the next one is understood.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin), limit: usize) -> io::Result<Option<Line>> {
    let (mut line, mut too_long) = (Vec::new(), false);
    loop {
        let buffer = reader.fill_buf().await?;
        if buffer.is_empty() {
            // A client that stops in the middle of a line is gone.
            return Ok(None);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        too_long |= line.len() + part.len() > limit;
        if too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(part);
        }
        let used = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(if too_long { Line::TooLong } else { Line::Whole(line) }));
        }
    }
}

/// Whether some process listens on the socket of `data_dir`.
pub fn is_served(data_dir: &Path) -> bool {
    matches!(endpoint::connect(&endpoint::path(data_dir)), Ok(Some(_)))
}

/// Whether the process that holds `data_dir` answers. An error if one listens and does not.
pub fn answers(data_dir: &Path) -> Result<bool, ControlError> {
    let patience = Duration::from_millis(limits::CONTROL_PROBE_MS);
    ask(data_dir, &Value::Null, Some(patience)).map(|answer| answer.is_some())
}

/// Asks the process that holds `data_dir`, and waits for its answer. `None` if nobody serves it.
pub fn call(data_dir: &Path, request: &Value) -> Result<Option<Value>, ControlError> {
    ask(data_dir, request, None)
}

fn ask(data_dir: &Path, request: &Value, patience: Option<Duration>) -> Result<Option<Value>, ControlError> {
    let Some(mut stream) = endpoint::connect(&endpoint::path(data_dir)).map_err(ControlError::Broken)? else {
        return Ok(None);
    };
    stream.set_read_timeout(patience).map_err(ControlError::Broken)?;
    let mut bytes = request.to_string().into_bytes();
    bytes.push(b'\n');
    stream.write_all(&bytes).map_err(ControlError::Broken)?;
    let mut answer = Vec::new();
    let read = io::BufReader::new(stream).read_until(b'\n', &mut answer);
    read.map_err(|error| match error.kind() {
        // What a socket says whose time is over.
        io::ErrorKind::WouldBlock => ControlError::Broken(io::ErrorKind::TimedOut.into()),
        _ => ControlError::Broken(error),
    })?;
    if answer.pop() != Some(b'\n') {
        return Err(ControlError::Broken(io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_slice(&answer).map(Some).map_err(|_| ControlError::Malformed)
}

#[cfg(test)]
mod tests;
