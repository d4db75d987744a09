//! One device: a data directory, and perhaps a running node on it.

use crate::{lan::Host, velo_binary};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use velo_protocol::ticket::Ticket;

/// See the module.
pub struct Device {
    home: TempDir,
    name: String,
    node: Option<Child>,
}

impl Device {
    /// A device of a person of that name.
    ///
    /// # Errors
    /// If `velo init` fails.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let device = Self { home: TempDir::new()?, name: name.to_owned(), node: None };
        device.velo(&["init", "--name", name])?;
        Ok(device)
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn command(&self, host: Option<&Host>) -> Command {
        let mut command = match host {
            Some(host) => host.command(&velo_binary()),
            None => Command::new(velo_binary()),
        };
        command.env("HOME", self.home.path()).env("VELO_STATE_DIR", self.home.path().join("state"));
        command.arg("--data-dir").arg(self.data_dir());
        command
    }

    /// Runs a command and returns the JSON it prints.
    ///
    /// # Errors
    /// If it exits with another code than 0, with what it said.
    pub fn velo(&self, args: &[&str]) -> anyhow::Result<Value> {
        let output = self.command(None).arg("--json").args(args).output()?;
        if !output.status.success() {
            let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat();
            bail!("{}: velo {}: {}: {said}", self.name, args.join(" "), output.status);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).with_context(|| format!("velo {}: {text}", args.join(" ")))
    }

    /// Starts `velo node` and waits until it says that it is ready.
    ///
    /// # Errors
    /// If it ends before that.
    pub fn start(&mut self, host: Option<&Host>, args: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command(host);
        command.arg("--json").arg("node").args(args).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut node = command.spawn()?;
        let stdout = node.stdout.take().context("its output is piped")?;
        self.node = Some(node);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.trim().is_empty() {
            bail!("{}: the node ended before it was ready", self.name);
        }
        Ok(())
    }

    /// Whether the node still runs.
    pub fn is_running(&mut self) -> bool {
        self.node.as_mut().is_some_and(|node| matches!(node.try_wait(), Ok(None)))
    }

    /// The process id of the node.
    pub fn node_id(&self) -> Option<u32> {
        self.node.as_ref().map(Child::id)
    }

    /// Ends the node as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut node) = self.node.take() {
            let _ = node.kill();
            let _ = node.wait();
        }
    }

    /// Asks the node to end, and waits for it.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut node) = self.node.take() {
            Command::new("kill").arg("-TERM").arg(node.id().to_string()).status()?;
            node.wait()?;
        }
        Ok(())
    }

    /// Sends its running node a signal, such as `STOP`.
    ///
    /// # Errors
    /// If it does not run.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let node = self.node_id().context("no node runs")?.to_string();
        let sent = Command::new("kill").args(["-s", signal, &node]).status()?;
        anyhow::ensure!(sent.success(), "kill -s {signal}: {sent}");
        Ok(())
    }

    /// Asks the running node over its control socket: quicker than a process for every question.
    ///
    /// # Errors
    /// If it does not answer, or refuses.
    pub fn ask(&self, action: &Value) -> anyhow::Result<Value> {
        let mut socket = UnixStream::connect(self.data_dir().join("control.sock"))?;
        writeln!(socket, "{}", json!({ "action": action }))?;
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line)?;
        answer.get("ok").cloned().with_context(|| format!("{}: {action}: {line}", self.name))
    }

    /// Looks again and again until something holds.
    ///
    /// # Errors
    /// If it does not within `limit`, with what was wrong at last.
    pub fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let found = holds(self);
            if matches!(found, Ok(true)) {
                return Ok(());
            }
            if start.elapsed() > limit {
                bail!("{}: no {what} after {limit:?}: {found:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The hash of the visible state.
    ///
    /// # Errors
    /// If the node or `velo status` fails, or has no workspace to tell of.
    pub fn state_hash(&self) -> anyhow::Result<String> {
        let status = match self.node {
            Some(_) => self.ask(&json!("status"))?,
            None => self.velo(&["status"])?,
        };
        let hash = status.pointer("/current/state_hash").and_then(Value::as_str);
        hash.map(str::to_owned).with_context(|| format!("no state hash in {status}"))
    }

    /// Forgets where peers were reached, and its own port: nobody knows a way any more. Only while
    /// its node does not run.
    ///
    /// # Errors
    /// If there is an address book that cannot be removed.
    pub fn forget_addresses(&self) -> anyhow::Result<()> {
        let book = self.data_dir().join("address-book.json");
        if book.exists() { Ok(std::fs::remove_file(book)?) } else { Ok(()) }
    }

    /// When the running node showed this state for the first time, by its own clock; asked over its
    /// control socket, since a process started for every look would be slower than what is measured.
    ///
    /// # Errors
    /// If it does not within `limit`.
    pub fn reached(&self, state_hash: &str, limit: Duration) -> anyhow::Result<SystemTime> {
        let wait = json!({ "state_hash": state_hash, "timeout_ms": limit.as_millis() as u64 });
        let answer = self.ask(&json!({ "wait": wait }))?;
        if answer["reached"] != true {
            bail!("{}: not within {limit:?}: {answer}", self.name);
        }
        let at_ns = answer.get("at_ns").and_then(Value::as_u64).context("no time")?;
        Ok(UNIX_EPOCH + Duration::from_nanos(at_ns))
    }

    /// How many conflicts there are.
    ///
    /// # Errors
    /// If `velo status` fails.
    pub fn conflicts(&self) -> anyhow::Result<u64> {
        let status = self.velo(&["status"])?;
        status.pointer("/current/conflicts").and_then(Value::as_u64).context("no count of conflicts")
    }

    /// Where the log files of its first workspace lie.
    ///
    /// # Errors
    /// If there is no workspace.
    pub fn workspace_dir(&self) -> anyhow::Result<PathBuf> {
        let mut workspaces = std::fs::read_dir(self.data_dir().join("workspaces"))?;
        let found =
            workspaces.find_map(|entry| entry.ok().map(|entry| entry.path()).filter(|path| path.is_dir()));
        found.context("no workspace directory")
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until all devices show the same state, and returns how long that took.
///
/// # Errors
/// If they do not within `limit`.
pub fn wait_equal(devices: &[&Device], limit: Duration) -> anyhow::Result<Duration> {
    let start = Instant::now();
    loop {
        let hashes: Vec<_> = devices.iter().map(|device| device.state_hash()).collect();
        let first = hashes.first().and_then(|hash| hash.as_ref().ok());
        if first.is_some() && hashes.iter().all(|hash| hash.as_ref().ok() == first) {
            return Ok(start.elapsed());
        }
        if start.elapsed() > limit {
            bail!("not equal after {limit:?}: {hashes:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The ticket without the addresses in it: whoever joins with it has to find somebody by themselves.
///
/// # Errors
/// If it is no ticket.
pub fn without_addresses(ticket: &str) -> anyhow::Result<String> {
    let mut ticket: Ticket = ticket.parse()?;
    ticket.addresses.clear();
    Ok(ticket.to_string())
}

/// A JSON answer's text at `pointer`.
///
/// # Errors
/// If there is none.
pub fn text_at<'a>(answer: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    answer.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no text {pointer} in {answer}"))
}

/// Whether a program can be run here.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| Path::new(&dir).join(name).exists())
}
