//! Starting a node: directory, keys, workspaces, threads, network, in this order.

use super::{Carrying, Committer, Driver, Outbox, PeerNotes, Readers, Saver, Unsaved};
use crate::{
    blobs::courier,
    data_dir::{DataDir, Records, marker},
    handle::{NetOptions, NodeConfig, NodeError, NodeEvent, Owner, Published, Shared, wall_ms},
    keystore::{self, KeyDoor, Keys, KeystoreError},
    limits,
    logging::{self, Logging},
    net::{self, NetConfig, NetEvents, NetHandle},
    short_id::Numbering,
    store::{
        home::{KeptLog, KeptReader, LogHome},
        log_files::{OpenError, OpenReport},
        state::{SavedState, SledState},
    },
};
use marker::{Marker, Markers};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    path::Path,
    sync::{Arc, OnceLock, RwLock, atomic::AtomicUsize, mpsc::SyncSender},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    runtime::Runtime,
    sync::{Notify, broadcast, mpsc},
    time::Instant,
};
use velo_protocol::{
    id::{LogId, WorkspaceId},
    log::{Head, Origin},
    log_set::ReadLogs,
    replica::{Identity, Opened, Replica, WorkspaceRecord},
    snapshot::{self, SnapshotError},
    store::{LogReader, LogStore, StoreError},
    time::Now,
    workspace::Workspace,
};

pub(super) type Started = Result<Arc<Shared>, NodeError>;

/// Starts a node's threads and waits until every workspace is open.
pub(crate) fn start(config: NodeConfig) -> Result<(Arc<Shared>, JoinHandle<()>), NodeError> {
    let (ready, started) = std::sync::mpsc::sync_channel(1);
    let builder = thread::Builder::new().name("velo-driver".into());
    let thread = builder.spawn(move || run(config, &ready)).map_err(NodeError::Thread)?;
    let shared = started.recv().map_err(|_| NodeError::Stopped)??;
    Ok((shared, thread))
}

fn run(config: NodeConfig, ready: &SyncSender<Started>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder.worker_threads(2).thread_name("velo-net").enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tell(ready, Err(NodeError::Thread(error))),
    };
    let assembled = assemble(&config, &runtime);
    // With its passphrase.
    drop(config);
    match assembled {
        Ok(driver) => drive(driver, &runtime, ready),
        Err(error) => tell(ready, Err(error)),
    }
    // Tasks of the node's owner may still run in it; they cannot hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(limits::GOODBYE_MS));
}

/// Runs a driver to its end, which it tells whether it comes as asked or by a panic: whoever runs
/// the node must hear that it is no more.
pub(super) fn drive(driver: Driver, runtime: &Runtime, ready: &SyncSender<Started>) {
    // Before anybody can ask for one.
    driver.replica.records().iter().for_each(|record| driver.keep_blobs_of(record));
    let shared = driver.shared.clone();
    let _end = TellsEnd(shared.clone());
    tell(ready, Ok(shared));
    runtime.block_on(driver.run());
}

fn tell(ready: &SyncSender<Started>, started: Started) {
    // Whoever started the node waits for this.
    let _ = ready.send(started);
}

/// Says that the node has stopped, when it is dropped.
struct TellsEnd(Arc<Shared>);

impl Drop for TellsEnd {
    fn drop(&mut self) {
        // Nobody may be listening.
        let _ = self.0.events.send(NodeEvent::Stopped);
    }
}

pub(super) fn assemble(config: &NodeConfig, runtime: &Runtime) -> Result<Driver, NodeError> {
    let _inside = runtime.enter();
    let dir = open_dir(config)?;
    let logging = start_log(&dir);
    dir.put_ballast();
    let records = dir.records()?;
    let (identity, door) = identify(config, &dir, &records)?;
    let (owner, device) = (Owner::of(&identity), identity.device_id());
    let markers = open_markers(config, &dir, device)?;
    let mut parts = Parts::start(Replica::new(identity, random_seed()?))?;
    let unopened = parts.open_all(&dir, &*config.log_home, &markers, records);
    let peer_notes = PeerNotes::load(dir.peer_notes(), &mut parts.replica);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), device = %device.short(), "node started");
    let (net, net_events) = start_net(config.network.as_ref(), &dir, &parts.replica)?;
    let (requests, taken) = mpsc::channel(limits::COMMAND_QUEUE);
    let events = broadcast::Sender::new(limits::EVENT_QUEUE);
    let published = Arc::new(RwLock::new(parts.published()));
    let courier = courier::start(published.clone(), events.clone(), net.clone());
    let (courier, turns, courier_thread) = courier.map_err(NodeError::Thread)?;
    let shared = Arc::new(Shared {
        owner: RwLock::new(owner),
        device,
        key: parts.replica.identity().device.clone(),
        keys: door,
        data_dir: dir.path().to_owned(),
        requests,
        stop: Notify::new(),
        events,
        unopened,
        published,
        courier: courier.clone(),
        in_flight: AtomicUsize::new(0),
        failed: OnceLock::new(),
        net: net.clone(),
        runtime: runtime.handle().clone(),
    });
    Ok(Driver {
        replica: parts.replica,
        readers: parts.readers,
        shared,
        dir,
        home: Arc::clone(&config.log_home),
        markers,
        started: Instant::now(),
        requests: taken,
        answers: HashMap::new(),
        next_request: 0,
        committer: parts.committer,
        committed: parts.committed,
        committed_here: VecDeque::new(),
        committer_ended: false,
        in_flight: BTreeMap::new(),
        in_flight_bytes: 0,
        next_inputs: VecDeque::new(),
        saver: parts.saver,
        saver_thread: parts.saver_thread,
        saved: parts.saved,
        unsaved: parts.unsaved,
        courier,
        courier_thread,
        turns,
        carrying: Carrying::new(config.operator.clone()),
        net,
        net_events,
        trusted: BTreeSet::new(),
        wake_at: None,
        outbox: Outbox::default(),
        numbering: Numbering::default(),
        peer_notes,
        _logging: logging,
    })
}

fn random_seed() -> Result<[u8; 32], KeystoreError> {
    keystore::random().map_err(KeystoreError::NoRandomness)
}

/// The data directory, and what else holds logs.
fn open_dir(config: &NodeConfig) -> Result<DataDir, NodeError> {
    let dir = DataDir::open(&config.data_dir)?;
    dir.keep_logs_in(config.log_home.name())?;
    config.log_home.prepare().map_err(NodeError::LogHome)?;
    Ok(dir)
}

/// Who this device is. The keys themselves are no longer needed in memory, as the root is.
fn identify(config: &NodeConfig, dir: &DataDir, records: &Records) -> Result<(Identity, KeyDoor), NodeError> {
    let keys = open_keys(config, dir, records)?;
    // A database is shared with other relays; files are not.
    let shares_store = config.log_home.name().is_some();
    Ok((Identity { shares_store, ..keys.identity() }, keys.door()))
}

/// Without a log the node works all the same, such as on a full disk.
fn start_log(dir: &DataDir) -> Option<Logging> {
    logging::start(dir).inspect_err(|error| tracing::warn!(%error, "nothing is logged")).ok()
}

fn open_keys(config: &NodeConfig, dir: &DataDir, records: &Records) -> Result<Keys, KeystoreError> {
    match &config.passphrase {
        Some(passphrase) => Keys::of_device_asking(dir, records, &|| Ok(passphrase.clone())),
        None => Keys::of_device(dir, records),
    }
}

/// Opens the markers, and deletes what is left of workspaces whose forgetting was cut off.
fn open_markers(
    config: &NodeConfig,
    dir: &DataDir,
    device: velo_protocol::id::DeviceId,
) -> Result<Markers, NodeError> {
    let state_dir = match &config.state_dir {
        Some(path) => path.clone(),
        None => marker::default_state_dir()?,
    };
    let markers = Markers::open(&state_dir, device, dir.path())?;
    dir.clear_forgotten(&markers)?;
    Ok(markers)
}

fn start_net(
    options: Option<&NetOptions>,
    dir: &DataDir,
    replica: &Replica,
) -> Result<(Option<NetHandle>, Option<NetEvents>), NodeError> {
    let Some(options) = options else { return Ok((None, None)) };
    let parse = |address: &String| {
        let wrong = |reason| NodeError::Address { address: address.clone(), reason };
        address.parse().map_err(|error| wrong(format!("{error}")))
    };
    let config = NetConfig {
        device: replica.identity().device.clone(),
        listen: options.listen.iter().map(parse).collect::<Result<_, _>>()?,
        mdns: options.mdns,
        address_book: dir.address_book(),
        is_relay: options.is_relay,
        external: options.external.iter().map(parse).collect::<Result<_, _>>()?,
    };
    let (handle, events) = net::start(config)?;
    Ok((Some(handle), Some(events)))
}

/// Deletes everything that is kept of a workspace that is not open. What lies outside the data directory
/// goes first: while the folder is there, the workspace is found again.
pub(super) fn forget(
    dir: &DataDir,
    home: &dyn LogHome,
    markers: &Markers,
    workspace: WorkspaceId,
) -> Result<(), NodeError> {
    home.forget(workspace, &dir.log(workspace)).map_err(|source| NodeError::Store { workspace, source })?;
    Ok(dir.forget(workspace, markers)?)
}

/// A driver in the making: what opening workspaces fills.
struct Parts {
    replica: Replica,
    readers: Readers,
    committer: Committer<Box<dyn KeptLog>>,
    committed: mpsc::UnboundedReceiver<super::Committed>,
    saver: Saver,
    saver_thread: JoinHandle<()>,
    saved: mpsc::UnboundedReceiver<super::Saved>,
    unsaved: BTreeMap<WorkspaceId, Unsaved>,
}

impl Parts {
    fn start(replica: Replica) -> Result<Self, NodeError> {
        let (commit_done, committed) = mpsc::unbounded_channel();
        let (save_done, told) = mpsc::unbounded_channel();
        let (saver, saver_thread) = Saver::start(save_done).map_err(NodeError::Thread)?;
        Ok(Self {
            replica,
            readers: Readers::default(),
            committer: Committer::start(commit_done).map_err(NodeError::Thread)?,
            committed,
            saver,
            saver_thread,
            saved: told,
            unsaved: BTreeMap::new(),
        })
    }

    fn published(&self) -> Published {
        let ids = self.replica.workspaces().into_iter();
        let workspaces = ids.filter_map(|id| Some((id, self.replica.workspace(id)?.clone()))).collect();
        let readers = self.readers.0.clone();
        let peers = self.replica.peers(Now { wall_ms: wall_ms(), mono_ms: 0 });
        let by_hand = self.replica.records().into_iter().filter(|record| !record.auto_sync);
        let by_hand = by_hand.map(|record| record.id).collect();
        Published { workspaces, peers, readers, by_hand, ..Published::default() }
    }

    /// Opens every workspace that can be opened. Returns what is wrong with the others: they must
    /// not keep anybody from these.
    fn open_all(
        &mut self,
        dir: &DataDir,
        home: &dyn LogHome,
        markers: &Markers,
        records: Records,
    ) -> Vec<String> {
        for (id, _) in &records.damaged {
            self.replica.note_unopened(*id);
        }
        let mut unopened: Vec<String> =
            records.damaged.iter().map(|(id, error)| format!("workspace {}: {error}", id.short())).collect();
        for record in records.whole {
            let id = record.id;
            if let Err(error) = self.open(dir, home, markers, record) {
                self.replica.note_unopened(id);
                unopened.push(error.to_string());
            }
        }
        for reason in &unopened {
            tracing::error!(reason, "a workspace was not opened");
        }
        unopened
    }

    fn open(
        &mut self,
        dir: &DataDir,
        home: &dyn LogHome,
        markers: &Markers,
        record: WorkspaceRecord,
    ) -> Result<(), NodeError> {
        match self.try_open(dir, home, markers, record.clone()) {
            // The files do not hold what the index promised. That is noted by now, so that another
            // opening looks at everything and copes with it.
            Err(error @ (NodeError::Store { .. } | NodeError::Log { source: OpenError::Store(_), .. })) => {
                tracing::warn!(workspace = %record.id.short(), %error, "opened again, without the index");
                self.try_open(dir, home, markers, record)
            }
            opened => opened,
        }
    }

    fn try_open(
        &mut self,
        dir: &DataDir,
        home: &dyn LogHome,
        markers: &Markers,
        record: WorkspaceRecord,
    ) -> Result<(), NodeError> {
        let workspace = record.id;
        let mut stored = Stored::open(dir, home, markers, workspace)?;
        let own = record.origin.log_id(workspace);
        let fresh = stored.may_be_cut_back(own, record.origin);
        let (state, logs) = stored.read(workspace)?;
        let from_cache = state.is_some();
        let state = state.unwrap_or_else(|| Workspace::new(workspace));
        let opened = self.replica.open_read(record, state, logs, &stored.reader, fresh);
        let opened = opened.map_err(|source| NodeError::Store { workspace, source })?;
        if opened == Opened::Nothing {
            tracing::warn!(workspace = %workspace.short(), "founding or joining was cut off: it can be done again");
            // Its files are closed before they go.
            drop(stored);
            return forget(dir, home, markers, workspace);
        }
        if !from_cache {
            self.unsaved.entry(workspace).or_default().grow(0, 0);
        }
        self.readers.0.insert(workspace, stored.reader);
        self.committer.open(workspace, stored.log, stored.marker, (!fresh).then_some(own));
        self.saver.open(workspace, stored.cache);
        Ok(())
    }
}

/// What the disk holds of one workspace.
pub(super) struct Stored {
    pub log: Box<dyn KeptLog>,
    pub reader: KeptReader,
    pub marker: Marker,
    pub cache: SledState,
    /// What the cache holds, unless it does not fit the log.
    saved: Option<SavedState>,
    /// Entries that somebody was told of may be gone.
    lost: bool,
}

impl Stored {
    pub fn open(
        dir: &DataDir,
        home: &dyn LogHome,
        markers: &Markers,
        workspace: WorkspaceId,
    ) -> Result<Self, NodeError> {
        Self::open_by(dir, markers, workspace, |folder, index| home.open(workspace, folder, index))
    }

    /// The same of a workspace that is new on this device: what may be saved of an earlier one is gone.
    pub fn begin(
        dir: &DataDir,
        home: &dyn LogHome,
        markers: &Markers,
        workspace: WorkspaceId,
    ) -> Result<Self, NodeError> {
        let mut begun = Self::open_by(dir, markers, workspace, |folder, _| home.begin(workspace, folder))?;
        begun.forget_saved(workspace);
        Ok(begun)
    }

    fn open_by(
        dir: &DataDir,
        markers: &Markers,
        workspace: WorkspaceId,
        open: impl FnOnce(&Path, Option<&[u8]>) -> Result<(Box<dyn KeptLog>, OpenReport), OpenError>,
    ) -> Result<Self, NodeError> {
        let marker = markers.marker(workspace)?;
        let (cache, saved) = SledState::open(&dir.state(workspace), workspace);
        let index = saved.as_ref().map(|saved| saved.log_index.as_slice());
        let opened = open(&dir.log(workspace), index);
        let (log, report) = opened.map_err(|source| NodeError::Log { workspace, source })?;
        tell_damage(workspace, &report);
        let (had_saved, reader) = (saved.is_some(), log.reader());
        let lost = if reader.chains().is_empty() {
            // A first write that was cut off lost nothing that anybody was told of.
            had_saved || !report.is_blank()
        } else {
            report.in_doubt()
        };
        let mut stored = Self { log, reader, marker, cache, saved, lost };
        if report.must_rebuild() {
            stored.forget_saved(workspace);
        }
        Ok(stored)
    }

    /// Begins the cache anew, if there is anything in it: pages of a state that does not go on from what is
    /// saved would stand among the old ones.
    pub fn forget_saved(&mut self, workspace: WorkspaceId) {
        if self.saved.take().is_some() {
            self.cache.begin_again(workspace);
        }
    }

    /// Reads the saved state, if it can be used, and the logs.
    fn read(&mut self, workspace: WorkspaceId) -> Result<(Option<Workspace>, ReadLogs), NodeError> {
        let failed = |source| NodeError::Store { workspace, source };
        if let Some(saved) = self.saved.take() {
            if let Some((state, logs)) = self.read_both(workspace, saved)? {
                return Ok((Some(state), logs.map_err(failed)?));
            }
            self.cache.begin_again(workspace);
        }
        Ok((None, ReadLogs::read(workspace, &self.reader, |_| 0).map_err(failed)?))
    }

    /// Reads both at the same time. `None`: the state cannot be used.
    fn read_both(&self, workspace: WorkspaceId, saved: SavedState) -> Result<Option<Both>, NodeError> {
        let Some(reached) = usable(workspace, snapshot::reached(workspace, &saved.meta)) else {
            return Ok(None);
        };
        let thread = thread::Builder::new().name("velo-open".into());
        thread::scope(|scope| {
            let read = move || Workspace::from_pages(workspace, &saved.meta, saved.pages);
            let state = thread.spawn_scoped(scope, read).map_err(NodeError::Thread)?;
            let logs = ReadLogs::read(workspace, &self.reader, reached);
            // A panic is a bug, and no worse than a state that cannot be read.
            let state = state.join().ok().and_then(|read| usable(workspace, read));
            Ok(state.map(|state| (state, logs)))
        })
    }

    /// Whether the own log may have lost entries that it once had. If so, it stays so until
    /// another own log is written.
    fn may_be_cut_back(&mut self, own: LogId, origin: Origin) -> bool {
        let chains = self.reader.chains();
        let ends = chains.iter().filter(|chain| chain.log == own).map(|chain| chain.end.head);
        let stored = ends.max().unwrap_or(Head::start(own));
        let doubt = self.lost || self.marker.tells_cut_back(own, stored);
        if doubt {
            tracing::warn!(log = %own.short(), "the own log may have been cut back: the next change opens a new one");
            if let Some(reached) = self.marker.reached(own).filter(|reached| *reached > stored.position)
                && let Err(error) = self.log.note_lost(own, origin, reached)
            {
                tracing::warn!(%error, "what is lost could not be noted");
            }
            if let Err(error) = self.marker.doubt(own) {
                tracing::warn!(%error, "that could not be noted");
            }
        }
        doubt
    }
}

type Both = (Workspace, Result<ReadLogs, StoreError>);

/// What was read of the saved state. Otherwise it is told why not.
fn usable<T>(workspace: WorkspaceId, read: Result<T, SnapshotError>) -> Option<T> {
    if let Err(error) = &read {
        tracing::warn!(%error, workspace = %workspace.short(), "the state is rebuilt from the log");
    }
    read.ok()
}

fn tell_damage(workspace: WorkspaceId, report: &OpenReport) {
    if *report != OpenReport::default() {
        tracing::info!(workspace = %workspace.short(), ?report, "log opened");
    }
}
