//! Runs that come by another way than a session, such as a relay's HTTP API.
//!
//! They are judged like what a peer sends. Whoever asks has made sure which device brings them; whether it may
//! bring them is found here, as for a peer.

use super::{
    Logs, Replica, RequestId,
    io::{Refusal, Reply},
    reader_of,
};
use crate::{
    id::{DeviceId, WorkspaceId},
    log::Run,
    log_set::Rejected,
};
use std::fmt;

/// Why a run was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotTaken {
    /// It does not verify.
    Invalid,
    /// It goes on from what is not here.
    Gap,
    /// More logs or branches than are kept.
    Bound,
    /// This relay keeps as much of the workspace as its operator allows.
    Full,
    /// Its author is out, and nothing more is taken of them from somebody who is out.
    Declined,
}

impl NotTaken {
    /// The stable word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Gap => "gap",
            Self::Bound => "bound",
            Self::Full => "full",
            Self::Declined => "declined",
        }
    }
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunAnswer {
    /// Why it was not taken, if so.
    pub not_taken: Option<NotTaken>,
    /// The same for people.
    pub reason: String,
}

impl RunAnswer {
    fn taken() -> Self {
        Self { not_taken: None, reason: String::new() }
    }

    fn not(why: NotTaken, reason: impl fmt::Display) -> Self {
        Self { not_taken: Some(why), reason: reason.to_string() }
    }
}

impl Replica {
    /// Takes runs that `device` brings, or that stand in this device's own store already. The answer comes when they are durable, also those that were on their
    /// way to the disk already.
    pub(super) fn take_brought(
        &mut self,
        request: RequestId,
        workspace: WorkspaceId,
        device: Option<DeviceId>,
        runs: Vec<Run>,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let holding = self.holdings.get_mut(&workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        let reader = reader_of(logs, workspace);
        let may_bring = device.is_none_or(|device| holding.members.is_in(device));
        let (mut fresh, mut answers) = (Vec::new(), Vec::with_capacity(runs.len()));
        for run in runs {
            if device.is_some() && holding.is_full() {
                let reason = "the relay keeps as much of this workspace as its operator allows";
                answers.push(RunAnswer::not(NotTaken::Full, reason));
                continue;
            }
            if !may_bring && !holding.takes_more_of(run.log, run.origin.as_ref(), false) {
                let reason = "its author is out, and so is the device that brings it";
                answers.push(RunAnswer::not(NotTaken::Declined, reason));
                continue;
            }
            // A fault ends a session. Here nobody goes on from it: the other runs stand for themselves.
            answers.push(match holding.receive(run, reader) {
                Ok((taken, _)) => {
                    fresh.extend(taken);
                    RunAnswer::taken()
                }
                Err(rejected @ Rejected::Gap) => RunAnswer::not(NotTaken::Gap, rejected),
                Err(rejected @ Rejected::Bound) => RunAnswer::not(NotTaken::Bound, rejected),
                Err(rejected) => RunAnswer::not(NotTaken::Invalid, rejected),
            });
        }
        let reply = Some((request, Reply::RunsTaken(answers)));
        let is_on_its_way = self.in_flight.values().any(|batch| batch.workspace == workspace);
        if fresh.is_empty() && is_on_its_way {
            // Batches become durable in order, so one of nothing waits for those before it.
            self.wait_durable(workspace, reply);
        } else {
            self.keep(workspace, &fresh, reply, false);
        }
        Ok(())
    }
}
