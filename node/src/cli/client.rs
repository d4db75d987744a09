//! Who answers a command: the process that holds the data directory, or a node of its own.

use super::Settings;
use crate::{
    api::{self, Action, ApiError, Request, network, relay, workspace::Introduction},
    control::{self, ControlError},
    handle::{NetOptions, Node, NodeError},
    limits,
};
use serde_json::Value as Json;
use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// See the module.
pub(crate) enum Client {
    /// A process that serves the control socket of this data directory.
    Running(PathBuf),
    /// A node that lives as long as the command.
    Own(Box<Own>),
}

/// A node and the runtime its requests run in.
pub(crate) struct Own {
    node: Node,
    runtime: tokio::runtime::Runtime,
}

/// Whether an action is worth nothing without peers.
pub(super) fn needs_network(action: &Action) -> bool {
    use network::Request::{Add, Remove, Sync};
    match action {
        Action::Relay(relay::Request::Add(_))
        | Action::Join(_)
        | Action::Network(Add(_) | Remove(_) | Sync(_)) => true,
        Action::Checkup(request) => request.whom.is_some(),
        _ => false,
    }
}

/// Whether an action is worth little unless a node listens. Who names an address knows of one.
pub(super) fn needs_listener(action: &Action) -> bool {
    matches!(action, Action::Invite(invite) if invite.address.is_empty())
}

/// Gives a node that was started a moment ago the time to take the data directory. The command's own
/// node would be quicker, and does not listen.
pub(super) fn let_node_start(data_dir: &Path) {
    let until = Instant::now() + Duration::from_millis(limits::INVITE_NODE_MS);
    while !matches!(control::answers(data_dir), Ok(true)) && Instant::now() < until {
        thread::sleep(Duration::from_millis(limits::LOCK_POLL_MS));
    }
}

impl Client {
    /// Finds who answers for a data directory. `network`: whether a node of the command's own
    /// should look for peers.
    pub(super) fn open(settings: &Settings, network: bool) -> Result<Self, ApiError> {
        Self::open_if(settings, network, true)
    }

    /// The same on a device whose person need not have said who they are, with peers.
    pub(super) fn open_for_anybody(settings: &Settings) -> Result<Self, ApiError> {
        Self::open_if(settings, true, false)
    }

    fn open_if(settings: &Settings, network: bool, named: bool) -> Result<Self, ApiError> {
        let data_dir = settings.data_dir.as_path();
        let give_up = Instant::now() + Duration::from_millis(limits::LOCK_WAIT_MS);
        loop {
            let busy = match control::answers(data_dir) {
                Ok(true) => return Ok(Self::Running(data_dir.to_owned())),
                // Fails when somebody holds the directory for long, or has begun to serve it just now.
                Ok(false) => match Own::start(settings, network, named) {
                    Err(error @ ApiError::Busy(_)) => error,
                    started => return Ok(Self::Own(Box::new(started?))),
                },
                // It may be ending.
                Err(error) => ApiError::Busy(error.to_string()),
            };
            if Instant::now() >= give_up {
                return Err(busy);
            }
            thread::sleep(Duration::from_millis(limits::LOCK_POLL_MS));
        }
    }

    /// Has a request carried out.
    pub(crate) fn call(&self, request: Request) -> Result<Json, ApiError> {
        match self {
            Self::Running(data_dir) => call_running(data_dir, &request),
            Self::Own(own) => own.runtime.block_on(api::execute(request, own.node.handle())),
        }
    }

    /// Ends the command's own node, if there is one.
    pub(crate) fn close(self) -> Result<(), ApiError> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Own(own) => Ok(own.node.shutdown()?),
        }
    }
}

impl Own {
    fn start(settings: &Settings, network: bool, named: bool) -> Result<Self, ApiError> {
        if named && Introduction::read(&settings.data_dir)?.is_none() {
            return Err(ApiError::NoIdentity);
        }
        let mut config = settings.node();
        if network {
            config.network = Some(NetOptions::default());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(NodeError::Thread)?;
        Ok(Self { node: Node::start(config)?, runtime })
    }
}

/// Asks the process that serves the control socket of `data_dir`.
pub(crate) fn call_running(data_dir: &Path, request: &Request) -> Result<Json, ApiError> {
    let request = serde_json::to_value(request)
        .map_err(|error| ApiError::Failed(format!("writing the request: {error}")))?;
    let answer = control::call(data_dir, &request).map_err(|error| match error {
        ControlError::Broken(_) | ControlError::Malformed | ControlError::Bind { .. } => {
            ApiError::Busy(error.to_string())
        }
    })?;
    let gone = || ApiError::Busy(format!("nobody serves {} any more: try again", data_dir.display()));
    let mut answer = answer.ok_or_else(gone)?;
    if let Some(error) = answer.get("error") {
        let message = || error.get("message").and_then(Json::as_str).unwrap_or("unknown trouble").to_owned();
        return Err(serde_json::from_value(error.clone()).unwrap_or_else(|_| ApiError::Failed(message())));
    }
    Ok(answer.get_mut("ok").map(Json::take).unwrap_or_default())
}
