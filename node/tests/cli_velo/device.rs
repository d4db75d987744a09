//! A device of the test: a home of its own, and the binary to use it with.

use serde_json::Value as Json;
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};
use velo_node::handle::{Node, NodeConfig};

/// A home folder. It goes when the test ends.
pub struct Device {
    home: tempfile::TempDir,
}

/// What a command answered.
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Device {
    /// An empty home.
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// A person who has introduced themselves.
    pub fn of(name: &str) -> Self {
        let device = Self::new();
        device.ok(&["init", "--name", name]);
        device
    }

    /// A person with a workspace and a project "House" (columns "To do", "Doing", "Done").
    pub fn with_project() -> Self {
        let device = Self::of("Anna");
        device.ok(&["workspace", "create", "Workshop"]);
        device.ok(&["project", "add", "House"]);
        device
    }

    pub fn path(&self) -> &Path {
        self.home.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A file in the home.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A node in this process, for what no command does. No other may run beside it.
    pub fn open_node(&self) -> Node {
        let state_dir = Some(self.home.path().join("state"));
        Node::start(NodeConfig { state_dir, ..NodeConfig::offline(self.data_dir()) }).unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_velo"));
        command.args(args).env_clear().env("HOME", self.home.path()).env("TZ", "UTC");
        command.env("VELO_DATA_DIR", self.data_dir()).env("VELO_STATE_DIR", self.home.path().join("state"));
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Answer {
        self.run_with_env(args, &[])
    }

    /// As [`Self::run`], with further variables in the environment.
    pub fn run_with_env(&self, args: &[&str], variables: &[(&str, &str)]) -> Answer {
        let mut command = self.command(args);
        let Output { status, stdout, stderr } = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    /// As [`Self::run`], with a text that comes through a pipe.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> Answer {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    /// Starts a command and lets it run.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts a command whose output is read while it runs.
    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let answer = self.run(args);
        assert_eq!(answer.code, 0, "velo {args:?}\n{}{}", answer.out, answer.err);
        answer.out
    }

    /// As [`Self::ok`], as JSON.
    pub fn json(&self, args: &[&str]) -> Json {
        let args = [args, &["--json"]].concat();
        let out = self.ok(&args);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("velo {args:?}: {error}\n{out}"))
    }

    /// The folders of the workspaces that are shared with others, by id.
    pub fn workspace_folders(&self) -> Vec<PathBuf> {
        let rows = self.json(&["workspace", "list"]);
        let ids = rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned());
        let mut folders: Vec<PathBuf> = ids.map(|id| self.data_dir().join("workspaces").join(id)).collect();
        folders.sort();
        folders
    }

    /// The hash of everything visible.
    pub fn state_hash(&self) -> String {
        self.json(&["status"])["current"]["state_hash"].as_str().unwrap().to_owned()
    }

    /// Starts `velo node` on loopback, and waits until it answers.
    pub fn start_node(&self) -> Running {
        let args = ["node", "--json", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0", "--with-parent"];
        let mut command = self.command(&args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Json = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        assert_eq!(ready["ready"], true);
        Running { child, addresses: ready["addresses"].clone() }
    }
}

/// A node in a process of its own. It ends with the test.
pub struct Running {
    child: Child,
    pub addresses: Json,
}

impl Running {
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends it cleanly.
    pub fn stop(mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
