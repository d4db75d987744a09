//! What is known about reaching peers, for people: the connection doctor and the peers view.

use super::{Multiaddr, Path};
use serde::Serialize;
use std::time::Duration;
use velo_protocol::id::DeviceId;

/// The network at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NetStatus {
    /// Where this device can be reached: its id at the end, through relays after direct ones, loopback
    /// last.
    pub listening: Vec<Multiaddr>,
    /// Relays in use.
    pub relays: Vec<RelayStatus>,
    /// Whether it is announced on the LAN.
    pub discovering: bool,
    /// Everybody and every address that is or was to be reached.
    pub targets: Vec<TargetStatus>,
}

/// A relay that this device uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RelayStatus {
    /// Which.
    pub peer: DeviceId,
    /// Where it is, without its id.
    pub address: Multiaddr,
    /// Whether others reach this device through it at the moment.
    pub reserved: bool,
    /// Why not, if so.
    pub trouble: Option<String>,
}

/// One peer, or one address at which nobody has answered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetStatus {
    /// The device, if it is known.
    pub peer: Option<DeviceId>,
    /// Where it is dialled, the most promising first.
    pub addresses: Vec<AddressRecord>,
    /// What is being done.
    pub stage: TargetStage,
    /// Failures since the last success or reason to hope.
    pub failures: u32,
    /// Why the last dial or session failed.
    pub last_failure: Option<String>,
    /// Whether that ended a session, rather than a dial.
    pub had_session: bool,
    /// Milliseconds of the wall clock at the last session noted in the address book, if there was one.
    pub last_session_ms: Option<u64>,
}

/// An address and its record in the address book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddressRecord {
    /// Without the peer's id.
    pub address: Multiaddr,
    /// Dials that led to a session.
    pub successes: u32,
    /// Dials that failed since.
    pub failures: u32,
}

/// What is being done about a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum TargetStage {
    /// There is no network now: this is what the address book remembers.
    Unattended,
    /// No address is known.
    Idle,
    /// It is dialled again after this time.
    Waiting {
        /// Milliseconds.
        next_try_ms: u64,
    },
    /// A dial is under way.
    Dialling,
    /// A session is open.
    Connected {
        /// Which way.
        path: Path,
        /// Where the peer was dialled, or from where it dialled.
        address: Multiaddr,
        /// For how long: milliseconds.
        for_ms: u64,
    },
}

impl NetStatus {
    /// The same after some time without events.
    pub(super) fn aged(mut self, age: Duration) -> Self {
        let age = age.as_millis() as u64;
        for target in &mut self.targets {
            match &mut target.stage {
                TargetStage::Waiting { next_try_ms } => *next_try_ms = next_try_ms.saturating_sub(age),
                TargetStage::Connected { for_ms, .. } => *for_ms += age,
                TargetStage::Idle | TargetStage::Dialling | TargetStage::Unattended => {}
            }
        }
        self
    }
}
