//! The connection doctor: step by step, what keeps this device and another apart.
//!
//! Each step rests on the one before: who listens nowhere is not found, who is not found cannot be dialled,
//! and so on. The first that fails says why, and what to do.

mod advice;

pub use advice::Advice;

use super::{
    ApiError, Json, answer,
    network::{self, PeerRow},
    reference,
};
use crate::{
    handle::{NodeHandle, NodeStatus},
    limits,
    net::{NetStatus, TargetStage, TargetStatus},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use velo_protocol::{id::DeviceId, replica::Stall};

/// How often it is looked whether something has changed.
const LOOK: Duration = Duration::from_millis(100);

/// Asks what is between this device and others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// Whom: a device by the start of its id, a person by name, or an address, which is dialled and
    /// remembered. Everybody without it.
    pub whom: Option<String>,
    /// How many seconds to wait for all to be well, at most a day; only with `whom`.
    pub wait: u64,
}

/// What is between this device and one other, or one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkup {
    /// The person's name, the start of the device's id, or the address.
    pub whom: String,
    /// The device, if it is known.
    pub device: Option<DeviceId>,
    /// Those that were taken: all of them are good but the last, if any fails.
    pub steps: Vec<Step>,
    /// The first that is not good.
    pub failed: Option<StepName>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub name: StepName,
    /// How it went.
    pub verdict: Verdict,
    /// What was found.
    pub told: String,
    /// What to do, if something has to be done.
    pub advice: Option<Advice>,
}

/// The steps, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// This device can be reached.
    Listening,
    /// It is known where the other is.
    Found,
    /// A connection was made.
    Dialled,
    /// Both are who they say, and speak one version.
    Authenticated,
    /// Both are in one workspace.
    Admitted,
    /// Both hold the same.
    Equal,
}

impl StepName {
    /// As people read it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::Found => "found",
            Self::Dialled => "dialled",
            Self::Authenticated => "authenticated",
            Self::Admitted => "admitted",
            Self::Equal => "equal",
        }
    }
}

/// How a step went, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Still going on, or worth knowing.
    Notice,
    /// It fails.
    Bad,
}

impl Step {
    fn good(name: StepName, told: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Good, told: told.into(), advice: None }
    }

    fn bad(name: StepName, told: impl Into<String>, advice: Advice) -> Self {
        Self { name, verdict: Verdict::Bad, told: told.into(), advice: Some(advice) }
    }

    fn going_on(name: StepName, told: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Notice, told: told.into(), advice: None }
    }
}

/// What is known of the way to somebody.
struct Case<'a> {
    listening: &'a [String],
    network: Option<&'a NetStatus>,
    target: Option<&'a TargetStatus>,
    row: Option<&'a PeerRow>,
}

impl Checkup {
    fn of(whom: String, device: Option<DeviceId>, case: &Case<'_>) -> Self {
        let examine =
            [Case::listening, Case::found, Case::dialled, Case::authenticated, Case::admitted, Case::equal];
        let mut steps = Vec::new();
        for step in examine {
            steps.push(step(case));
            if steps.last().is_some_and(|step: &Step| step.verdict != Verdict::Good) {
                break;
            }
        }
        let failed = steps.last().filter(|step| step.verdict != Verdict::Good).map(|step| step.name);
        Self { whom, device, steps, failed }
    }

    /// Whether every step is good.
    pub fn is_well(&self) -> bool {
        self.failed.is_none()
    }
}

impl Case<'_> {
    fn is_connected(&self) -> bool {
        self.row.is_some_and(|row| row.connected)
    }

    fn listening(&self) -> Step {
        let name = StepName::Listening;
        match (self.network, self.listening) {
            (None, _) => {
                Step::bad(name, "no node runs on this device, so nobody is reached", Advice::StartNode)
            }
            // Who has called somebody is not in need of being called.
            (Some(_), []) if !self.is_connected() => Step::bad(
                name,
                "this device listens nowhere: the port may be taken, or there is no network",
                Advice::Listen,
            ),
            (Some(_), addresses) => Step::good(name, addresses.join(", ")),
        }
    }

    fn found(&self) -> Step {
        let name = StepName::Found;
        let addresses = self.target.map(|target| target.addresses.as_slice()).unwrap_or_default();
        match (self.is_connected(), addresses) {
            (false, []) => {
                let told = if self.network.is_some_and(|network| network.discovering) {
                    "it is not announced in this network, and no address of it is known"
                } else {
                    "no address of it is known, and this device does not look for others in its network"
                };
                Step::bad(name, told, Advice::NameAddress)
            }
            (_, addresses) => {
                let addresses: Vec<_> = addresses.iter().map(|known| known.address.to_string()).collect();
                Step::good(
                    name,
                    if addresses.is_empty() { "it called".to_owned() } else { addresses.join(", ") },
                )
            }
        }
    }

    fn dialled(&self) -> Step {
        let name = StepName::Dialled;
        if self.is_connected() {
            let by = self.row.and_then(|row| row.path.as_deref()).unwrap_or("connected");
            return Step::good(name, by);
        }
        let Some(target) = self.target else { return Step::going_on(name, "nobody was dialled yet") };
        match (&target.stage, &target.last_failure) {
            // It was met: what follows says why it did not last.
            (_, Some(reason)) if target.had_session => {
                Step::good(name, format!("connected before: {reason}"))
            }
            (TargetStage::Connected { .. }, _) => Step::good(name, "connected just now"),
            (TargetStage::Dialling, None) => Step::going_on(name, "being dialled"),
            (stage, Some(reason)) => Step::bad(name, format!("{reason}{}", next_try(stage)), advice(reason)),
            (_, None) => Step::going_on(name, "it is about to be dialled"),
        }
    }

    fn authenticated(&self) -> Step {
        let name = StepName::Authenticated;
        if self.is_connected() {
            return Step::good(name, "its key is its device's, and both speak one version");
        }
        let failure = self.target.and_then(|target| target.last_failure.clone());
        let Some(reason) = failure else { return Step::going_on(name, "it is about to introduce itself") };
        let advice = if reason.contains("version") {
            Advice::Update
        } else if reason.contains("no workspace") {
            Advice::Join
        } else if reason.contains("invalid run") {
            Advice::AskWhoRunsIt
        } else {
            Advice::WaitOrLook
        };
        Step::bad(name, reason, advice)
    }

    fn admitted(&self) -> Step {
        let name = StepName::Admitted;
        let Some(row) = self.row.filter(|row| row.shares) else {
            return Step::bad(name, "it has shown no workspace that is here", Advice::Join);
        };
        let denied = row
            .workspaces
            .iter()
            .find(|one| matches!(one.stall, Some(Stall::Refused | Stall::NotAdmitted | Stall::NotServed)));
        let Some((one, stall)) = denied.and_then(|one| Some((one, one.stall?))) else {
            let names: Vec<_> = row.workspaces.iter().map(|one| quoted(&one.name)).collect();
            return Step::good(name, names.join(", "));
        };
        let advice = if stall == Stall::Refused { Advice::NewTicket } else { Advice::CompareMembers };
        Step::bad(name, format!("{}: {}", quoted(&one.name), stall.words()), advice)
    }

    fn equal(&self) -> Step {
        let name = StepName::Equal;
        let Some(row) = self.row else { return Step::going_on(name, "nothing was compared yet") };
        if let Some(breach) = row.breaches.first() {
            return Step::bad(name, breach, Advice::AskWhoRunsIt);
        }
        if let Some(reason) = row.stalls.first().filter(|_| !row.synced) {
            let advice = if row.workspaces.iter().any(|one| one.stall == Some(Stall::SyncOff)) {
                Advice::SyncOn
            } else {
                Advice::LookAtThisDevice
            };
            return Step::bad(name, reason, advice);
        }
        if row.synced {
            // Worth knowing, such as a clock that is off.
            return Step::good(name, row.stalls.first().map_or("both hold the same", String::as_str));
        }
        Step::going_on(
            name,
            match (row.lacks, row.we_lack) {
                (0, 0) => "being compared".to_owned(),
                (lacks, we_lack) => format!("on their way: it lacks {lacks}, this device lacks {we_lack}"),
            },
        )
    }
}

fn quoted(name: &str) -> String {
    if name.is_empty() { "a workspace that has not arrived yet".to_owned() } else { format!("\"{name}\"") }
}

fn next_try(stage: &TargetStage) -> String {
    match stage {
        TargetStage::Waiting { next_try_ms } => format!("; next try in {} s", next_try_ms.div_ceil(1000)),
        TargetStage::Dialling => "; being dialled again".to_owned(),
        _ => String::new(),
    }
}

/// What to do about a dial that failed. The reasons are the system's words, or those of `net::reason`.
fn advice(reason: &str) -> Advice {
    let reason = reason.to_lowercase();
    if reason.contains("refused") {
        Advice::LookWhetherItRuns
    } else if reason.contains("another device answers") {
        Advice::NameNewAddress
    } else if reason.contains("timed out") || reason.contains("timeout") || reason.contains("unreachable") {
        Advice::TryFromThere
    } else {
        Advice::LookAtBoth
    }
}

/// What a request looks at.
#[derive(Debug, PartialEq, Eq)]
enum Whom {
    Everybody,
    Device(DeviceId),
    /// Without the device's id.
    Address(String),
}

/// Carries out a request.
pub(super) async fn execute(request: &Request, node: &NodeHandle) -> Result<Json, ApiError> {
    let whom = find(request.whom.as_deref(), node)?;
    if whom == Whom::Everybody {
        return answer(&all(node));
    }
    if node.status().network.is_some() {
        node.sync_now().await?;
    }
    let until = Instant::now() + Duration::from_secs(request.wait.min(limits::LONGEST_WAIT_S));
    loop {
        let found = one(&whom, node);
        if found.is_well() || Instant::now() >= until {
            return answer(&[found]);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits for a while until an address that was given is reached. Tells whether it was, and who or why not.
pub(super) async fn reach(node: &NodeHandle, address: &str) -> Result<(bool, String), ApiError> {
    let plain = without_device(&NodeHandle::check_address(address)?.to_string());
    let start = Instant::now();
    let (least, most) =
        (Duration::from_millis(limits::ADD_PEER_LEAST_MS), Duration::from_millis(limits::ADD_PEER_MS));
    loop {
        let network = node.status().network;
        let relay = network::relays(network.as_ref())
            .into_iter()
            .find(|relay| relay.reserved && without_device(&relay.address) == plain);
        if let Some(relay) = relay {
            return Ok((true, format!("the relay {}", relay.told())));
        }
        let target =
            network.as_ref().and_then(|network| network.targets.iter().find(|target| is_at(target, &plain)));
        let found = one(&Whom::Address(plain.clone()), node);
        if found
            .steps
            .iter()
            .any(|step| step.name == StepName::Authenticated && step.verdict == Verdict::Good)
        {
            let elsewhere = target.and_then(|target| called_elsewhere(target, &plain));
            return Ok((true, elsewhere.map_or(found.whom.clone(), |at| format!("{}, {at}", found.whom))));
        }
        let has_failed = target.is_some_and(|target| matches!(target.stage, TargetStage::Waiting { .. }));
        if start.elapsed() >= most || (has_failed && start.elapsed() >= least) {
            let why = found.steps.last().map(|step| step.told.clone()).unwrap_or_default();
            return Ok((false, why));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What to say of an address that is remembered and was not tried, since its device is here already.
fn called_elsewhere(target: &TargetStatus, address: &str) -> Option<String> {
    match &target.stage {
        TargetStage::Connected { address: at, .. } if without_device(&at.to_string()) != address => Some(
            format!("which is connected at {at} already: the new address is kept, and tried when that fails"),
        ),
        _ => None,
    }
}

fn without_device(address: &str) -> String {
    address.split("/p2p/").next().unwrap_or_default().to_owned()
}

/// Whether somebody is or may be met at an address without the device's id.
fn is_at(target: &TargetStatus, address: &str) -> bool {
    let met_there =
        matches!(&target.stage, TargetStage::Connected { address: at, .. } if at.to_string() == address);
    met_there || target.addresses.iter().any(|known| known.address.to_string() == address)
}

/// Whom a text means. An address that nobody knows is dialled.
fn find(text: Option<&str>, node: &NodeHandle) -> Result<Whom, ApiError> {
    let Some(text) = text.map(str::trim) else { return Ok(Whom::Everybody) };
    if text.starts_with('/') {
        let address = NodeHandle::check_address(text)?;
        if node.status().network.is_some() {
            node.add_peer(text)?;
        }
        return Ok(Whom::Address(without_device(&address.to_string())));
    }
    let wanted = text.to_lowercase();
    let rows = network::rows(node, None);
    let named = |row: &&PeerRow| row.name.as_ref().is_some_and(|name| name.to_lowercase() == wanted);
    let meant = |row: &&PeerRow| named(row) || reference::starts(&row.device.to_string(), text);
    let found: Vec<&PeerRow> = rows.iter().filter(meant).collect();
    match found.as_slice() {
        [] => Err(ApiError::not_found("peer", text, "see `velo peers list`")),
        [only] => Ok(Whom::Device(only.device)),
        several => Err(ApiError::Ambiguous {
            kind: "peer".into(),
            text: text.into(),
            candidates: several.iter().map(|row| row.title()).collect(),
        }),
    }
}

/// Everybody that is known, and every address at which nobody was met yet.
pub fn all(node: &NodeHandle) -> Vec<Checkup> {
    of_all(&node.status(), &network::rows(node, None))
}

/// The same of these.
pub(crate) fn of_all(status: &NodeStatus, rows: &[PeerRow]) -> Vec<Checkup> {
    let mut found: Vec<_> = rows.iter().map(|row| of_peer(row, status)).collect();
    let network = status.network.as_ref();
    let targets = network.map(|network| network.targets.as_slice()).unwrap_or_default();
    for target in targets.iter().filter(|target| target.peer.is_none()) {
        let whom = target.addresses.first().map(|known| known.address.to_string()).unwrap_or_default();
        let case = Case { listening: &status.addresses, network, target: Some(target), row: None };
        found.push(Checkup::of(whom, None, &case));
    }
    found
}

/// One device, by its id. `None` if it is not known.
pub fn of_device(node: &NodeHandle, device: DeviceId) -> Option<Checkup> {
    let rows = network::rows(node, None);
    rows.iter().find(|row| row.device == device).map(|row| of_peer(row, &node.status()))
}

fn of_peer(row: &PeerRow, status: &NodeStatus) -> Checkup {
    let network = status.network.as_ref();
    let target =
        network.and_then(|network| network.targets.iter().find(|target| target.peer == Some(row.device)));
    let case = Case { listening: &status.addresses, network, target, row: Some(row) };
    Checkup::of(row.title(), Some(row.device), &case)
}

fn one(whom: &Whom, node: &NodeHandle) -> Checkup {
    let status = node.status();
    let network = status.network.as_ref();
    let targets = network.map(|network| network.targets.as_slice()).unwrap_or_default();
    let nobody = || {
        let case = Case { listening: &status.addresses, network, target: None, row: None };
        Checkup::of(String::new(), None, &case)
    };
    match whom {
        Whom::Everybody => nobody(),
        Whom::Device(device) => of_device(node, *device).unwrap_or_else(nobody),
        Whom::Address(address) => {
            let target = targets.iter().find(|target| is_at(target, address));
            let met = target.and_then(|target| of_device(node, target.peer?));
            met.unwrap_or_else(|| {
                let case = Case { listening: &status.addresses, network, target, row: None };
                Checkup::of(address.clone(), None, &case)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::network::SharedRow;
    use velo_protocol::id::WorkspaceId;

    const DEVICE: DeviceId = DeviceId([7; 32]);

    fn target(stage: TargetStage, last_failure: Option<&str>, had_session: bool) -> TargetStatus {
        TargetStatus {
            peer: Some(DEVICE),
            addresses: vec![crate::net::AddressRecord {
                address: "/ip4/192.168.1.7/tcp/4001".parse().unwrap(),
                successes: 0,
                failures: 1,
            }],
            stage,
            failures: 1,
            last_failure: last_failure.map(str::to_owned),
            had_session,
            last_session_ms: None,
        }
    }

    fn row(connected: bool, stall: Option<Stall>, synced: bool) -> PeerRow {
        let shared = SharedRow {
            workspace: WorkspaceId([1; 32]),
            name: "Workshop".into(),
            synced,
            lacks: 2,
            lacks_own: 1,
            we_lack: 0,
            heard: None,
            stall,
            breach: None,
        };
        PeerRow {
            device: DEVICE,
            name: Some("Ben".into()),
            relay: None,
            connected,
            path: Some("lan".into()),
            address: None,
            last_seen: None,
            shares: connected,
            synced,
            lacks: 2,
            lacks_own: 1,
            we_lack: 0,
            stalls: stall.iter().map(|stall| stall.words().to_owned()).collect(),
            breaches: Vec::new(),
            workspaces: vec![shared],
            private: None,
            trouble: None,
        }
    }

    fn found(
        network: Option<&NetStatus>,
        target: Option<&TargetStatus>,
        row: Option<&PeerRow>,
    ) -> (Option<StepName>, String) {
        let listening = ["/ip4/192.168.1.2/tcp/4001".to_owned()];
        let listening =
            if network.is_some_and(|network| network.listening.is_empty()) { &[][..] } else { &listening };
        let checkup = Checkup::of("Ben".into(), Some(DEVICE), &Case { listening, network, target, row });
        let last = checkup.steps.last().unwrap().clone();
        assert!(last.verdict != Verdict::Bad || last.advice.is_some(), "what to do: {last:?}");
        let before = &checkup.steps[..checkup.steps.len() - 1];
        assert!(before.iter().all(|step| step.verdict == Verdict::Good), "{before:?}");
        (checkup.failed, last.told)
    }

    #[test]
    fn the_first_step_that_fails_is_named_with_its_reason() {
        use StepName::{Admitted, Authenticated, Dialled, Equal, Found, Listening};
        let up = NetStatus {
            listening: vec!["/ip4/192.168.1.2/tcp/4001".parse().unwrap()],
            discovering: true,
            ..NetStatus::default()
        };
        let deaf = NetStatus { listening: Vec::new(), ..up.clone() };
        assert_eq!(found(None, None, None).0, Some(Listening));
        assert_eq!(found(Some(&deaf), None, None).0, Some(Listening));
        assert_eq!(found(Some(&up), None, Some(&row(false, None, false))).0, Some(Found));
        let waiting = TargetStage::Waiting { next_try_ms: 2_500 };
        let refused = target(waiting.clone(), Some("Connection refused (os error 111)"), false);
        let (step, told) = found(Some(&up), Some(&refused), Some(&row(false, None, false)));
        assert_eq!(
            (step, told.as_str()),
            (Some(Dialled), "Connection refused (os error 111); next try in 3 s")
        );
        let older = target(waiting, Some("speaks protocol version 2, this program speaks 1"), true);
        let (step, told) = found(Some(&up), Some(&older), Some(&row(false, None, false)));
        assert_eq!(step, Some(Authenticated));
        assert!(told.contains("version 2"), "{told}");
        let stranger = PeerRow { shares: false, workspaces: Vec::new(), ..row(true, None, false) };
        assert_eq!(found(Some(&up), None, Some(&stranger)).0, Some(Admitted));
        for stall in [Stall::Refused, Stall::NotAdmitted, Stall::NotServed] {
            let (step, told) = found(Some(&up), None, Some(&row(true, Some(stall), false)));
            assert_eq!(step, Some(Admitted));
            assert!(told.contains(stall.words()), "{told}");
        }
        for stall in [Stall::SyncOff, Stall::ReadOnly, Stall::Unreadable, Stall::Silent, Stall::WaitsForKeys]
        {
            let (step, told) = found(Some(&up), None, Some(&row(true, Some(stall), false)));
            assert_eq!((step, told.as_str()), (Some(Equal), stall.words()));
        }
        let forger = target(older.stage.clone(), Some("sent an invalid run: the run is empty"), true);
        let (step, told) = found(Some(&up), Some(&forger), Some(&row(false, None, false)));
        assert!(step == Some(Authenticated) && told.contains("invalid run"), "{told}");
        let broken = PeerRow { breaches: vec!["it shows less".to_owned()], ..row(true, None, true) };
        let (step, told) = found(Some(&up), None, Some(&broken));
        assert_eq!((step, told.as_str()), (Some(Equal), "it shows less"), "though all seems equal");
        let (step, told) = found(Some(&up), None, Some(&row(true, None, false)));
        assert!(step == Some(Equal) && told.contains("it lacks 2"), "{told}");
        assert_eq!(found(Some(&deaf), None, Some(&row(true, None, true))).0, None, "it called");
    }
}
