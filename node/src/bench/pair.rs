//! Two devices in processes of their own, and a fresh process on what one of them has.

use crate::{
    api::{
        Action, ApiError, column, invite, network, project,
        status::{Wait, Waited},
        task, workspace,
    },
    data_dir::DataDir,
    demo::{Stage, live, peer::Peer, report::Latency},
    store::log_files::{FileLog, FileReader},
};
use serde_json::Value as Json;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use velo_protocol::{
    log,
    model::Kind,
    store::{ChainNo, LogReader, LogStore, StoreError},
    workload::Trace,
};

/// How long the new device may take to catch up.
const CATCH_UP: Duration = Duration::from_mins(10);
/// How long the two may take to show the same after that.
const AGREE: Duration = Duration::from_mins(1);
/// How long nothing must have happened before a sync counts as one with nothing to do.
const SETTLE: Duration = Duration::from_secs(1);
/// Tasks on the first page of a board.
const PAGE: usize = 50;

/// What two devices took.
pub(super) struct Pair {
    /// From joining with nothing until everything is applied and durable.
    pub catchup: Duration,
    /// Bytes of frames received for it.
    pub wire_bytes: u64,
    /// From an edit on one device to the other's event.
    pub live: Latency,
    /// Bytes of frames, both ways, of a sync with nothing to do.
    pub idle_bytes: u64,
    /// From starting a process until the first page of the board is answered.
    pub open: Duration,
    /// Memory of that process, where the system tells.
    pub rss_bytes: Option<u64>,
    /// Bytes of the new device's data directory.
    pub disk_bytes: u64,
    /// Bytes of all entries in it: those of the trace, and the edits since.
    pub entry_bytes: u64,
}

/// Measures `old`, which holds the trace, and `new`, which has nothing. Afterwards both are off.
pub(super) async fn measure(
    old: &mut Peer,
    new: &mut Peer,
    trace: &Trace,
    edits: u32,
    stage: &Stage,
) -> Result<Pair, ApiError> {
    let metrics = free_port()?;
    new.options = vec!["--metrics".to_owned(), metrics.to_string()];
    stage.step("A new device catches up");
    old.start(true).await?;
    new.start(true).await?;
    let catchup = catch_up(old, new).await?;
    let wire_bytes = frame_bytes(metrics, "in")?;
    stage.step("Live edits");
    let task = trace.state.shown(Kind::Task).next();
    let task = task.ok_or_else(|| ApiError::Failed("the trace has no tasks".into()))?;
    let live = live::edits(old, new, task, edits).await?;
    stage.step("A sync with nothing to do");
    let idle_bytes = idle(new, metrics).await?;
    old.stop().await?;
    new.stop().await?;
    stage.step("Opening in a fresh process");
    new.options.clear();
    let (open, rss_bytes) = open(new).await?;
    new.stop().await?;
    let failed = |error: &dyn std::fmt::Display| ApiError::Failed(format!("measuring the disk: {error}"));
    let dir = DataDir::open(&new.data_dir).map_err(|error| failed(&error))?;
    let disk_bytes = dir.size();
    let id = trace.record.id;
    let (log, _) = FileLog::open(&dir.log(id), id, None).map_err(|error| failed(&error))?;
    let entry_bytes = entry_bytes(&log.reader()).map_err(|error| failed(&error))?;
    Ok(Pair { catchup, wire_bytes, live, idle_bytes, open, rss_bytes, disk_bytes, entry_bytes })
}

fn entry_bytes(reader: &FileReader) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for (number, chain) in (0..).map(ChainNo).zip(reader.chains()) {
        let mut position = chain.base.position;
        while let Some(run) = reader.read_run(number, position)? {
            let (count, _) = log::survey(&run.bytes).map_err(|error| StoreError::Read(error.to_string()))?;
            bytes += run.bytes.len() as u64;
            position += count;
        }
    }
    Ok(bytes)
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> Result<SocketAddr, ApiError> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    address.map_err(|error| ApiError::Failed(format!("looking for a free port: {error}")))
}

/// Has `new` join with a ticket of `old`, and waits until both show the same.
pub(super) async fn catch_up(old: &Peer, new: &Peer) -> Result<Duration, ApiError> {
    let invite = Action::Invite(invite::Invite {
        days: 1,
        role: invite::TicketRole::Member,
        once: false,
        address: Vec::new(),
    });
    let ticket = old.ask::<invite::TicketAnswer>(invite).await?.ticket;
    let all = old.ask::<Waited>(Action::Wait(Wait::default())).await?.revision;
    let start_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    new.ask::<Json>(Action::Join(workspace::Join { ticket, wait: 0 })).await?;
    // Everything the old device had, and the joining itself.
    let wait = Wait { past: Some(all), state_hash: None, timeout_ms: CATCH_UP.as_millis() as u64 };
    let waited: Waited = new.ask(Action::Wait(wait)).await?;
    if !waited.reached {
        return Err(ApiError::NotYet(format!("the new device did not catch up in {CATCH_UP:?}")));
    }
    agree(old, new).await?;
    Ok(Duration::from_nanos(waited.at_ns.saturating_sub(start_ns)))
}

/// Nothing is worth measuring if the two do not show the same.
async fn agree(old: &Peer, new: &Peer) -> Result<(), ApiError> {
    let start = Instant::now();
    while old.current().await?.state_hash != new.current().await?.state_hash {
        if start.elapsed() > AGREE {
            return Err(ApiError::Failed("the two devices do not show the same".into()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// After everything before it has settled, heads that are announced late included.
async fn idle(new: &Peer, metrics: SocketAddr) -> Result<u64, ApiError> {
    tokio::time::sleep(SETTLE).await;
    let both = || Ok::<_, ApiError>(frame_bytes(metrics, "in")? + frame_bytes(metrics, "out")?);
    let before = both()?;
    let sync = network::Request::Sync(network::Sync { wait: AGREE.as_secs(), peers: 1 });
    new.ask::<network::SyncAnswer>(Action::Network(sync)).await?;
    Ok(both()? - before)
}

/// A counter of the node's own metrics.
pub(super) fn frame_bytes(metrics: SocketAddr, direction: &str) -> Result<u64, ApiError> {
    let name = format!("velo_frame_bytes_{direction}_total");
    let read = || {
        let mut stream = TcpStream::connect(metrics)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page).map(|_| page)
    };
    let page =
        read().map_err(|error: std::io::Error| ApiError::Failed(format!("reading metrics: {error}")))?;
    let value = page.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse::<f64>().ok());
    value.map(|value| value as u64).ok_or_else(|| ApiError::Failed(format!("the metrics have no {name}")))
}

/// A process that has just been started, until it has answered the first page of a board.
async fn open(peer: &mut Peer) -> Result<(Duration, Option<u64>), ApiError> {
    let start = Instant::now();
    peer.start(false).await?;
    let projects: Vec<project::ProjectRow> = peer.ask(Action::Project(project::Request::List)).await?;
    let project = projects.first().map(|project| project.id.to_string());
    let of = column::Of { project: project.clone() };
    peer.ask::<Vec<column::ColumnRow>>(Action::Column(column::Request::List(of))).await?;
    let list = task::List { project, limit: Some(PAGE), ..task::List::default() };
    peer.ask::<Vec<task::TaskSummary>>(Action::Task(task::Request::List(list))).await?;
    Ok((start.elapsed(), peer.process().and_then(rss_bytes)))
}

/// Bytes of memory of a process, from Linux' `/proc`.
pub fn rss_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}
