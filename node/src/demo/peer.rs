//! One person of the demo: a data directory, and a process of its own that holds it.

use crate::api::{
    Action, ApiError, Request,
    status::{Current, Status, Wait, Waited},
    workspace::Introduction,
};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// How long a process may take to say that it is ready.
const START: Duration = Duration::from_secs(30);
/// How long it may take to end when asked.
const END: Duration = Duration::from_secs(10);

/// A peer. Dropping it kills its process; its folder goes with the demo's.
#[derive(Debug)]
pub struct Peer {
    /// The person's name.
    pub name: &'static str,
    /// Where it keeps everything.
    pub data_dir: PathBuf,
    /// Further options of its `velo node`.
    pub options: Vec<String>,
    /// Variables that its process sees beside those of this one.
    pub vars: Vec<(&'static str, String)>,
    /// Where it listens, once it has listened: kept, so that the others find it again.
    pub listen: String,
    /// The same with its id, as others dial it.
    address: String,
    child: Option<Child>,
}

impl Peer {
    /// A person with a folder inside `home`. Nothing runs yet.
    pub fn new(name: &'static str, home: &Path) -> Result<Self, ApiError> {
        let data_dir = home.join(name.to_lowercase());
        Introduction::new(name)?.write(&data_dir)?;
        Ok(Self {
            name,
            data_dir,
            options: Vec::new(),
            vars: Vec::new(),
            address: String::new(),
            listen: "/ip4/127.0.0.1/tcp/0".to_owned(),
            child: None,
        })
    }

    /// Starts its process, listening on loopback or without any network.
    pub async fn start(&mut self, online: bool) -> Result<(), ApiError> {
        let program = std::env::current_exe().map_err(failed("finding this program"))?;
        let mut command = Command::new(program);
        command.args(["node", "--json", "--with-parent", "--data-dir"]).arg(&self.data_dir);
        if online {
            command.args(["--no-mdns", "--listen", &self.listen]);
        } else {
            command.arg("--offline");
        }
        command.args(&self.options);
        // The markers of the three would otherwise lie in the person's own state folder.
        command.env("VELO_STATE_DIR", self.data_dir.with_extension("state"));
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed("starting a process"))?;
        let ready = tokio::time::timeout(START, first_line(&mut child)).await;
        self.child = Some(child);
        let Ok(Ok(Some(line))) = ready else { return Err(self.did_not_start().await) };
        let ready: Json = serde_json::from_str(&line).unwrap_or_default();
        if let Some(address) = ready["addresses"].get(0).and_then(Json::as_str) {
            // Without the peer id at its end.
            address.split("/p2p/").next().unwrap_or(address).clone_into(&mut self.listen);
            address.clone_into(&mut self.address);
        }
        Ok(())
    }

    async fn did_not_start(&mut self) -> ApiError {
        let Some(mut child) = self.child.take() else { return ApiError::Failed("no process".into()) };
        // It may hang as well as have failed.
        let _ = child.start_kill();
        let told = child.wait_with_output().await.map(|output| output.stderr).unwrap_or_default();
        let told = String::from_utf8_lossy(&told);
        ApiError::Failed(format!("{}'s process did not start: {}", self.name, told.trim()))
    }

    /// Ends its process cleanly: connections close, the disk is up to date.
    pub async fn stop(&mut self) -> Result<(), ApiError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        // It ends when its standard input does, also when this process is killed.
        drop(child.stdin.take());
        match tokio::time::timeout(END, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(ApiError::Failed(format!("{}'s process ended with {status}", self.name))),
            Ok(Err(error)) => Err(failed("waiting for a process")(error)),
            Err(_) => Err(ApiError::Failed(format!("{}'s process did not end when asked", self.name))),
        }
    }

    /// Where others dial it, with its id, once it has been started with a network.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process id, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Has something done over the control socket.
    pub async fn ask<T: DeserializeOwned>(&self, action: Action) -> Result<T, ApiError> {
        let data_dir = self.data_dir.clone();
        let request = Request { workspace: None, action };
        let asked = tokio::task::spawn_blocking(move || crate::cli::call_running(&data_dir, &request)).await;
        let answer = asked.map_err(|error| ApiError::Failed(error.to_string()))?;
        let answer = answer.map_err(|error| ApiError::Failed(format!("{}: {error}", self.name)))?;
        serde_json::from_value(answer).map_err(|error| ApiError::Failed(format!("{}: {error}", self.name)))
    }

    /// Its workspace as it is now.
    pub async fn current(&self) -> Result<Current, ApiError> {
        let status: Status = self.ask(Action::Status).await?;
        status.current.ok_or(ApiError::NoWorkspace)
    }

    /// Waits until its state has this hash; whether it got there in time.
    pub async fn wait_for(&self, state_hash: &str, timeout: Duration) -> Result<Waited, ApiError> {
        let timeout_ms = timeout.as_millis() as u64;
        self.ask(Action::Wait(Wait { past: None, state_hash: Some(state_hash.to_owned()), timeout_ms })).await
    }
}

async fn first_line(child: &mut Child) -> std::io::Result<Option<String>> {
    let Some(stdout) = child.stdout.take() else { return Ok(None) };
    BufReader::new(stdout).lines().next_line().await
}

fn failed(doing: &'static str) -> impl FnOnce(std::io::Error) -> ApiError {
    move |error| ApiError::Failed(format!("{doing}: {error}"))
}
