//! Fetches blobs from peers and serves them, on a thread of its own: it waits for the disk.
//!
//! What to fetch follows from the workspaces' attachments and the person's choice ([`Fetching`]); whom to
//! ask for what is [`Fetches`]' business. What is whole is offered to relays ([`offering`]); a relay fetches
//! what it is offered ([`taking`]). Every question goes out through the driver, which asks the
//! replica first whether blobs may travel to that peer now, and every question of a peer has passed the
//! same door before it gets here.

use super::{
    store::BlobStore,
    usage::{self, Sum},
};
use crate::{
    handle::{NodeEvent, Published},
    limits::COURIER_QUEUE,
    net::{AskId, NetHandle},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, PoisonError, RwLock},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};
use tokio::{
    sync::{broadcast, mpsc},
    time::Instant,
};
use velo_protocol::{
    blob::{Answer, Ask, Fetches, Known, Offer, Outcome, Question, Urgency},
    id::{BlobId, DeviceId, WorkspaceId},
    limits,
    model::Kind,
    replica::Fetching,
    workspace::Workspace,
};

mod offering;
mod serving;
mod taking;
mod way;

use offering::Offering;
use serving::Served;
use taking::Taking;
pub(crate) use way::{CourierHandle, Met};
use way::{News, SharedNews};

/// Changes of attachments are gathered for so long before the workspace is looked through.
const LOOK_DELAY: Duration = Duration::from_millis(300);
/// How often what nothing shows any more is put aside or dropped.
const SWEEP: Duration = Duration::from_hours(6);
/// The first time comes when everything is open and the first peers have been met.
const FIRST_SWEEP: Duration = Duration::from_mins(2);
/// After a failed write nothing is fetched for so long: a full disk does not get empty by itself.
const DISK_REST_MS: u64 = 60_000;

/// What the courier is told.
#[derive(Debug)]
pub(crate) enum Job {
    /// A workspace is open, or its person chose anew.
    Open { workspace: WorkspaceId, store: BlobStore, fetching: Fetching },
    /// It is forgotten.
    Close(WorkspaceId),
    /// Something is in the [`News`].
    News,
    /// A peer that may have it asks for a piece.
    Serve { peer: DeviceId, id: AskId, ask: Ask },
    /// A peer that is in offers attachments to this relay, which may keep so many bytes of the workspace.
    Offered { peer: DeviceId, id: AskId, offer: Offer, room: Option<u64> },
    /// A peer was asked something. No answer: none came.
    Answered { peer: DeviceId, question: Question, answer: Option<Answer> },
    /// Content of a workspace was dropped: what was whole may not be any more.
    Dropped(WorkspaceId),
    /// Somebody looks at an attachment, or asks for it.
    Want { workspace: WorkspaceId, manifest: BlobId, size: u64, asked: bool },
    /// Parts of an attachment came by another way, out of a bundle.
    Brought { workspace: WorkspaceId, manifest: BlobId },
    /// The end.
    Stop,
}

/// What the driver is told.
#[derive(Debug)]
pub(crate) enum Turn {
    /// A question to be put to a peer, if it may.
    Ask(DeviceId, Question),
    /// How many bytes this relay keeps of a workspace.
    Keeps { workspace: WorkspaceId, bytes: u64 },
}

struct Holding {
    store: BlobStore,
    fetching: Fetching,
    /// Attachments of which everything was found to be here.
    whole: BTreeSet<BlobId>,
    /// What their authors wrote wrongly: nobody has a better one.
    broken: BTreeSet<BlobId>,
}

type Key = (WorkspaceId, BlobId);

struct Courier {
    published: Arc<RwLock<Published>>,
    events: broadcast::Sender<NodeEvent>,
    turns: mpsc::UnboundedSender<Turn>,
    news: SharedNews,
    net: Option<NetHandle>,
    started: Instant,
    holdings: BTreeMap<WorkspaceId, Holding>,
    fetches: Fetches,
    offering: Offering,
    taking: Taking,
    /// The sizes that attachments say they have.
    sizes: BTreeMap<Key, u64>,
    /// Workspaces with attachments for which there may have been no room.
    left_out: BTreeSet<WorkspaceId>,
    served: BTreeMap<DeviceId, Served>,
    /// The blob served last: a peer asks for all its pieces.
    last_served: Option<(Key, Vec<u8>)>,
    /// Workspaces to be looked through, and when.
    stale: BTreeMap<WorkspaceId, Instant>,
    sweep_at: Instant,
    /// Until when nothing is fetched, since it cannot be kept.
    halted_until: Option<u64>,
}

/// Starts the thread. What it would ask peers comes out of the receiver.
pub(crate) fn start(
    published: Arc<RwLock<Published>>,
    events: broadcast::Sender<NodeEvent>,
    net: Option<NetHandle>,
) -> io::Result<(CourierHandle, mpsc::UnboundedReceiver<Turn>, JoinHandle<()>)> {
    let (jobs, taken) = mpsc::unbounded_channel();
    let (asked, wishes) = mpsc::channel(COURIER_QUEUE);
    let (turns, questions) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let news = SharedNews::default();
    let handle = CourierHandle { jobs, asked, news: news.clone() };
    let courier = Courier::new(published, events, turns, news, net);
    let thread = thread::Builder::new().name("velo-blobs".into());
    let thread = thread.spawn(move || runtime.block_on(courier.run(taken, wishes)))?;
    Ok((handle, questions, thread))
}

impl Courier {
    fn new(
        published: Arc<RwLock<Published>>,
        events: broadcast::Sender<NodeEvent>,
        turns: mpsc::UnboundedSender<Turn>,
        news: SharedNews,
        net: Option<NetHandle>,
    ) -> Self {
        let now = Instant::now();
        Self {
            published,
            events,
            turns,
            news,
            net,
            started: now,
            holdings: BTreeMap::new(),
            fetches: Fetches::default(),
            offering: Offering::default(),
            taking: Taking::default(),
            sizes: BTreeMap::new(),
            left_out: BTreeSet::new(),
            served: BTreeMap::new(),
            last_served: None,
            stale: BTreeMap::new(),
            sweep_at: now + FIRST_SWEEP,
            halted_until: None,
        }
    }

    async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>, mut wishes: mpsc::Receiver<Job>) {
        loop {
            let wake = self.next_wake();
            tokio::select! {
                // A workspace is open before anything of it is asked for.
                biased;
                job = jobs.recv() => match job {
                    Some(Job::Stop) | None => break,
                    Some(job) => self.take(job),
                },
                Some(wish) = wishes.recv() => self.take(wish),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.act_on_time();
        }
    }

    fn next_wake(&self) -> Instant {
        let looks = self.stale.values().min().copied();
        let asks = self.fetches.next_due(self.now_ms()).map(|at| self.started + Duration::from_millis(at));
        let halted = self.halted_until.map(|at| self.started + Duration::from_millis(at));
        let offers = self.offering.next_due().map(|at| self.started + Duration::from_millis(at));
        [looks, asks, halted, offers].into_iter().flatten().fold(self.sweep_at, Instant::min)
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn act_on_time(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self.stale.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for workspace in due {
            self.stale.remove(&workspace);
            self.look(workspace);
        }
        if self.sweep_at <= now {
            self.sweep_at = now + SWEEP;
            self.sweep();
        }
        let now_ms = self.now_ms();
        if self.halted_until.is_some_and(|until| until <= now_ms) {
            self.go_on();
        }
        while let Some((peer, ask)) = self.fetches.next(now_ms) {
            self.tell(Turn::Ask(peer, Question::Piece(ask)));
        }
        while let Some((peer, offer)) = self.offering.next(now_ms) {
            self.tell(Turn::Ask(peer, Question::Offer(offer)));
        }
        self.publish_coming();
    }

    fn tell(&self, turn: Turn) {
        // Without a driver everything ends.
        let _ = self.turns.send(turn);
    }

    fn take(&mut self, job: Job) {
        let now_ms = self.now_ms();
        match job {
            Job::Open { workspace, store, fetching } => self.open(workspace, store, fetching),
            Job::Close(workspace) => self.close(workspace),
            Job::News => self.take_news(),
            Job::Serve { peer, id, ask } => self.serve(peer, id, &ask),
            Job::Offered { peer, id, offer, room } => self.take_offer(peer, id, &offer, room),
            Job::Answered { peer, question: Question::Piece(ask), answer: Some(answer) } => {
                let outcome = self.fetches.answered(now_ms, peer, &ask, answer);
                self.take_outcome(peer, outcome);
                self.fill_room();
            }
            Job::Answered { peer, question: Question::Piece(ask), answer: None } => {
                self.fetches.failed(now_ms, peer, &ask);
            }
            Job::Answered { peer, question: Question::Offer(offer), answer } => {
                self.offer_answered(peer, &offer, answer);
            }
            Job::Want { workspace, manifest, size, asked } => {
                let metered =
                    self.holdings.get(&workspace).is_some_and(|of| of.fetching == Fetching::Metered);
                if asked {
                    // Perhaps they made room.
                    self.go_on();
                }
                if asked || !metered {
                    if let Some(holding) = self.holdings.get_mut(&workspace) {
                        // Somebody found it damaged, perhaps.
                        holding.whole.remove(&manifest);
                    }
                    self.want((workspace, manifest), size, Urgency::Viewed);
                }
            }
            Job::Brought { workspace, manifest } => self.brought((workspace, manifest)),
            Job::Dropped(workspace) => self.forget_whole(workspace),
            // Taken by `run`.
            Job::Stop => {}
        }
    }

    fn take_news(&mut self) {
        let News { peers, changed } =
            std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
        for (peer, met) in peers {
            self.meet_relay(peer, &met.carried);
            self.fetches.meet(peer, met.shared);
        }
        for workspace in changed {
            self.look_soon(workspace);
        }
        self.fill_room();
    }

    /// What is deleted and dropped may be shown again, and is fetched then.
    fn forget_whole(&mut self, workspace: WorkspaceId) {
        if let Some(holding) = self.holdings.get_mut(&workspace) {
            holding.whole.clear();
        }
        if self.offering.is_carried(workspace) {
            self.look_soon(workspace);
        }
    }

    fn open(&mut self, workspace: WorkspaceId, store: BlobStore, fetching: Fetching) {
        let is_carried = store.is_carried();
        if let Some(holding) = self.holdings.get_mut(&workspace) {
            holding.fetching = fetching;
            if !is_carried {
                self.fetches.only_viewed(workspace);
            }
        } else {
            let (whole, broken) = (BTreeSet::new(), BTreeSet::new());
            self.holdings.insert(workspace, Holding { store, fetching, whole, broken });
        }
        if is_carried {
            self.tell_kept(workspace);
        } else {
            self.stale.insert(workspace, Instant::now());
        }
    }

    fn close(&mut self, workspace: WorkspaceId) {
        self.holdings.remove(&workspace);
        self.fetches.part_with(workspace);
        self.offering.part_with(workspace);
        self.taking.part_with(workspace);
        self.sizes.retain(|(of, _), _| *of != workspace);
        self.left_out.remove(&workspace);
        self.last_served = None;
    }

    fn look_soon(&mut self, workspace: WorkspaceId) {
        self.stale.entry(workspace).or_insert_with(|| Instant::now() + LOOK_DELAY);
    }

    /// Looks for what was left out, once there is room.
    fn fill_room(&mut self) {
        if !self.left_out.is_empty() && self.fetches.has_room(self.now_ms()) {
            for workspace in std::mem::take(&mut self.left_out) {
                self.look_soon(workspace);
            }
        }
    }

    fn workspace(&self, id: WorkspaceId) -> Option<Workspace> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).workspaces.get(&id).cloned()
    }

    /// Looks through a workspace for what to fetch in advance, the newest first, and for what need not be
    /// fetched any more.
    fn look(&mut self, id: WorkspaceId) {
        let Some(workspace) = self.workspace(id) else { return };
        let Some(holding) = self.holdings.get(&id).filter(|holding| !holding.store.is_carried()) else {
            // A relay takes what it is offered.
            return;
        };
        let fetching = holding.fetching;
        let shown: Vec<_> = workspace
            .shown(Kind::Attachment)
            .filter_map(|attachment| Some((attachment, workspace.content(attachment)?.manifest)))
            .collect();
        self.fetches.keep_only(id, &shown.iter().map(|(_, manifest)| *manifest).collect());
        self.look_for_offers(
            id,
            shown.iter().map(|(attachment, manifest)| (*manifest, usage::size(&workspace, *attachment))),
        );
        if fetching == Fetching::Metered {
            return;
        }
        let mut small_bytes = limits::SMALL_ATTACHMENTS;
        for (attachment, manifest) in shown.into_iter().rev() {
            let size = usage::size(&workspace, attachment);
            let small = size <= limits::SMALL_ATTACHMENT && size <= small_bytes;
            let urgency = if small { Urgency::Small } else { Urgency::Background };
            if !small && fetching != Fetching::Always {
                continue;
            }
            small_bytes = small_bytes.saturating_sub(if small { size } else { 0 });
            let (key, now_ms) = ((id, manifest), self.now_ms());
            if self.is_settled(key) {
                continue;
            }
            if !self.fetches.has_room(now_ms) {
                self.left_out.insert(id);
                return;
            }
            if self.fetches.is_full() && !self.fetches.may_be_had(now_ms, key) {
                self.left_out.insert(id);
            } else {
                self.want(key, size, urgency);
            }
        }
    }

    /// Whether nothing of an attachment is to be fetched.
    fn is_settled(&self, (workspace, manifest): Key) -> bool {
        let holding = self.holdings.get(&workspace);
        holding.is_none_or(|of| of.whole.contains(&manifest) || of.broken.contains(&manifest))
    }

    /// Fetches an attachment, unless it is here.
    fn want(&mut self, key: Key, size: u64, urgency: Urgency) {
        if self.is_settled(key) {
            return;
        }
        let Some(holding) = self.holdings.get_mut(&key.0) else { return };
        let known = match known(&holding.store, key.1) {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(%error, "an attachment cannot be looked for");
                return;
            }
        };
        let contradicts = known.as_ref().is_some_and(|known| known.manifest.size() != size);
        if contradicts {
            tracing::warn!(manifest = %key.1.short(), "an attachment has not the size that it says: it is not fetched");
            holding.broken.insert(key.1);
            return self.fetches.unwant(key);
        }
        if known.as_ref().is_some_and(|known| known.missing.is_empty()) {
            return self.is_whole(key);
        }
        if self.fetches.is_full() && !self.fetches.is_wanted(key) {
            // What gives way to it is fetched when there is room again.
            self.left_out.extend(self.holdings.keys());
        }
        if self.fetches.want(self.now_ms(), key, urgency, known) {
            self.sizes.insert(key, size);
            let fetches = &self.fetches;
            self.sizes.retain(|key, _| fetches.is_wanted(*key));
        }
    }

    fn take_outcome(&mut self, peer: DeviceId, outcome: Outcome) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Lied { blob } => {
                tracing::warn!(peer = %peer.short(), blob = %blob.short(), "a peer sent a wrong part of an attachment: it is not asked for it again");
            }
            Outcome::Keep { workspace, blob, bytes, is_manifest } => {
                self.keep(workspace, blob, &bytes, is_manifest);
            }
        }
    }

    fn keep(&mut self, workspace: WorkspaceId, blob: BlobId, bytes: &[u8], is_manifest: bool) {
        let key = (workspace, blob);
        metrics::counter!("velo_blob_bytes_in_total").increment(bytes.len() as u64);
        let was_offered = self.fetches.is_offered(key);
        if was_offered && !self.wants_all_of(key, bytes) {
            return self.fetches.unwant(key);
        }
        let Some(holding) = self.holdings.get(&workspace) else { return };
        let kept = holding.store.write(bytes).and_then(|_| holding.store.sync());
        if let Err(error) = kept {
            tracing::warn!(%error, "part of an attachment was not kept; it is tried again later");
            let until = self.now_ms() + DISK_REST_MS;
            self.halted_until = Some(until);
            self.fetches.halt(until);
            return self.publish_trouble(Some(error.to_string()));
        }
        if was_offered {
            self.learn(key);
        } else if is_manifest && let Some(size) = self.sizes.get(&key).copied() {
            // It stands where it stood in the queue.
            self.want(key, size, Urgency::Background);
        }
        for manifest in self.fetches.stored(workspace, blob) {
            self.sizes.remove(&(workspace, manifest));
            self.is_whole((workspace, manifest));
        }
    }

    /// Fetches again, after nothing could be kept.
    fn go_on(&mut self) {
        if self.halted_until.take().is_some() {
            self.fetches.halt(0);
            self.publish_trouble(None);
        }
    }

    fn publish_trouble(&self, trouble: Option<String>) {
        self.published.write().unwrap_or_else(PoisonError::into_inner).fetch_trouble = trouble;
    }

    /// What is being fetched of it is only what is missing still.
    fn brought(&mut self, key: Key) {
        if let Some(size) = self.sizes.get(&key).copied() {
            self.want(key, size, Urgency::Background);
        }
        // Nobody may be listening.
        drop(self.events.send(NodeEvent::ContentArrived { workspace: key.0 }));
    }

    /// Tells how much of what is fetched is on its way.
    fn publish_coming(&self) {
        let coming = self.fetches.coming();
        let published =
            |lock: &RwLock<Published>| lock.read().unwrap_or_else(PoisonError::into_inner).coming == coming;
        if !published(&self.published) {
            self.published.write().unwrap_or_else(PoisonError::into_inner).coming = coming;
        }
    }

    /// Everything of an attachment is here.
    fn is_whole(&mut self, (workspace, manifest): Key) {
        self.fetches.unwant((workspace, manifest));
        if let Some(holding) = self.holdings.get_mut(&workspace) {
            holding.whole.insert(manifest);
            if holding.store.is_carried() {
                return self.tell_kept(workspace);
            }
        }
        if self.offering.is_carried(workspace) {
            self.look_soon(workspace);
        }
        // Nobody may be listening.
        drop(self.events.send(NodeEvent::ContentArrived { workspace }));
    }

    fn sweep(&mut self) {
        let holdings = self.holdings.iter().filter(|(_, holding)| !holding.store.is_carried());
        let stores: Vec<_> = holdings.map(|(id, holding)| (*id, holding.store.clone())).collect();
        for (id, store) in stores {
            match usage::sweep(&store, || self.workspace(id), SystemTime::now()) {
                Ok(Sum { blobs: 0, .. }) => {}
                Ok(dropped) => {
                    tracing::info!(workspace = %id.short(), ?dropped, "content that was deleted a month ago is dropped");
                    self.forget_whole(id);
                }
                Err(error) => tracing::warn!(%error, "deleted content could not be dropped"),
            }
        }
    }
}

/// What is here of an attachment, if its manifest is.
fn known(store: &BlobStore, manifest: BlobId) -> Result<Option<Known>, super::store::BlobError> {
    let manifest = store.manifest(manifest)?;
    manifest.map(|manifest| Ok(Known { missing: store.missing(&manifest)?, manifest })).transpose()
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::store::disk::FailingDisk;

    #[test]
    fn a_full_disk_is_told_of_until_somebody_has_it_tried_again() {
        let home = tempfile::tempdir().unwrap();
        let disk = FailingDisk::new(0, io::ErrorKind::StorageFull);
        let store = BlobStore::on(home.path().join("blobs"), disk.clone());
        let published = Arc::new(RwLock::new(Published::default()));
        let (turns, _asked) = mpsc::unbounded_channel();
        let (events, _) = broadcast::channel(1);
        let mut courier = Courier::new(published.clone(), events, turns, SharedNews::default(), None);
        let workspace = WorkspaceId([1; 32]);
        courier.open(workspace, store, Fetching::Metered);
        let trouble = || published.read().unwrap().fetch_trouble.clone();
        let manifest = BlobId::of(b"part");
        courier.keep(workspace, manifest, b"part", false);
        assert!(trouble().is_some_and(|told| told.contains("the disk is full")), "{:?}", trouble());
        disk.mend();
        courier.take(Job::Want { workspace, manifest, size: 1, asked: false });
        assert!(trouble().is_some(), "nobody asked");
        courier.take(Job::Want { workspace, manifest, size: 1, asked: true });
        assert_eq!(trouble(), None);
        courier.keep(workspace, manifest, b"part", false);
        assert_eq!(trouble(), None);
    }
}
