//! One device: a data directory, and perhaps a running node on it.

use crate::{
    binary,
    control::{Control, titles_in},
    lan::Host,
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use velo_protocol::ticket::Ticket;

/// Where a node listens that is to be reached from this machine alone.
pub const LOOPBACK: [&str; 3] = ["--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];

/// How a relay is started that is to be reached from this machine alone.
pub const RELAY: [&str; 6] = ["--relay", "--name", "Relay", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];

/// See the module.
pub struct Device {
    home: TempDir,
    name: String,
    program: &'static str,
    /// Variables that its processes see.
    vars: Vec<(&'static str, String)>,
    node: Option<Node>,
}

/// A running node.
struct Node {
    /// It, or what it was started under.
    child: Child,
    /// The node itself, once it has said so.
    process: Option<u32>,
}

impl Device {
    /// A device of a person of that name.
    ///
    /// # Errors
    /// If `velo init` fails.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        Self::new_in(&std::env::temp_dir(), name)
    }

    /// The same with its home below `folder`.
    ///
    /// # Errors
    /// If `velo init` fails.
    pub fn new_in(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let (home, vars) = (TempDir::new_in(folder)?, Vec::new());
        let device = Self { home, name: name.to_owned(), program: "velo", vars, node: None };
        device.velo(&["init", "--name", name])?;
        Ok(device)
    }

    /// A relay, which keeps its logs in this database if there is one. It introduces itself: see
    /// [`RELAY`].
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn relay(database: Option<String>) -> anyhow::Result<Self> {
        let vars = database.into_iter().map(|url| ("DATABASE_URL", url)).collect();
        Ok(Self {
            home: TempDir::new()?,
            name: "the relay".to_owned(),
            program: "velo-relay",
            vars,
            node: None,
        })
    }

    /// The same with one more variable that its processes see.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.vars.push((name, value.into()));
        self
    }

    /// The same relay, started without naming its database.
    #[must_use]
    pub fn without_database(mut self) -> Self {
        self.vars.clear();
        self
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Where it notes, outside of that, how far its logs reached.
    pub fn state_dir(&self) -> PathBuf {
        self.home.path().join("state")
    }

    fn command(&self, host: Option<&Host>) -> Command {
        let mut command = match host {
            Some(host) => host.command(&binary(self.program)),
            None => Command::new(binary(self.program)),
        };
        self.set_up(&mut command);
        command
    }

    fn set_up(&self, command: &mut Command) {
        command.env("HOME", self.home.path()).env("VELO_STATE_DIR", self.state_dir());
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
        command.arg("--data-dir").arg(self.data_dir());
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
        let stdout = self.launch(self.command(host), args)?;
        self.wait_ready(stdout)
    }

    /// The same under another program, such as strace: its name and arguments come first.
    ///
    /// # Errors
    /// If it ends before that.
    pub fn start_under(&mut self, program: &[String], args: &[&str]) -> anyhow::Result<()> {
        let (program, first) = program.split_first().context("no program")?;
        let mut command = Command::new(program);
        command.args(first).arg(binary(self.program));
        self.set_up(&mut command);
        let stdout = self.launch(command, args)?;
        self.wait_ready(stdout)
    }

    /// Starts `velo node` without waiting for it. What it says comes through the pipe.
    ///
    /// # Errors
    /// If there is no such program.
    pub fn begin(&mut self, args: &[&str]) -> anyhow::Result<ChildStdout> {
        self.launch(self.command(None), args)
    }

    fn launch(&mut self, mut command: Command, args: &[&str]) -> anyhow::Result<ChildStdout> {
        command.arg("--json").arg("node").args(args).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("its output is piped")?;
        self.node = Some(Node { child, process: None });
        Ok(stdout)
    }

    fn wait_ready(&mut self, stdout: ChildStdout) -> anyhow::Result<()> {
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        let Some(process) = ready.get("process").and_then(Value::as_u64) else {
            bail!("{}: the node ended before it was ready", self.name);
        };
        if let Some(node) = &mut self.node {
            node.process = Some(process as u32);
        }
        Ok(())
    }

    /// A connection to the running node.
    ///
    /// # Errors
    /// If none runs.
    pub fn control(&self) -> anyhow::Result<Control> {
        Control::open(&self.data_dir())
    }

    /// The titles of all tasks, also while no node runs.
    ///
    /// # Errors
    /// If `velo task list` fails.
    pub fn titles(&self) -> anyhow::Result<BTreeSet<String>> {
        titles_in(&self.velo(&["task", "list"])?)
    }

    /// The process id of the node, if it is ready.
    pub fn process(&self) -> Option<u32> {
        self.node.as_ref().and_then(|node| node.process)
    }

    /// Ends the node as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut node) = self.node.take() {
            node.signal("-KILL");
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
    }

    /// Asks the node to end, and waits for it.
    ///
    /// # Errors
    /// If the system does not let it be waited for.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut node) = self.node.take() {
            node.signal("-TERM");
            node.child.wait()?;
        }
        Ok(())
    }

    /// Sends its running node a signal, such as `STOP`.
    ///
    /// # Errors
    /// If it does not run.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let node = self.process().context("no node runs")?.to_string();
        let sent = Command::new("kill").args(["-s", signal, &node]).status()?;
        anyhow::ensure!(sent.success(), "kill -s {signal}: {sent}");
        Ok(())
    }

    /// Asks the running node over its control socket: quicker than a process for every question.
    ///
    /// # Errors
    /// If it does not answer, or refuses.
    pub fn ask(&self, action: &Value) -> anyhow::Result<Value> {
        self.control()?.ask(action).with_context(|| format!("{}: {action}", self.name))
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

    /// What its nodes wrote into their log file last.
    pub fn log(&self) -> String {
        let files = std::fs::read_dir(self.data_dir().join("logs")).into_iter().flatten().flatten();
        let text: String = files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
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

impl Node {
    fn signal(&self, signal: &str) {
        if let Some(process) = self.process {
            // It may be gone already.
            let _ = Command::new("kill").args([signal, &process.to_string()]).stderr(Stdio::null()).status();
        }
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
