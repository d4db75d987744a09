//! The session with one peer: a state machine that never blocks and knows no network.
//!
//! After `Hello` each side proves, workspace by workspace, that it knows the session secret
//! (`Auth`); a stranger learns nothing, not even which workspaces a device has. For every workspace
//! both have, [`PeerCopy`] keeps what is known of the peer's copy and decides what to send:
//!
//! * `Digest` on opening and every 10 s: equal digests end the matter in 32 bytes;
//! * `Heads` when digests differ, then only what changed, gathered for 50 ms: also the
//!   acknowledgement of what was received, since only durable entries are announced;
//! * `Ops` to a peer whose heads lack them: live edits, at once, which is the gossip;
//! * everything else the peer asks for itself once our heads tell of it: see [`pull`]. So it comes
//!   from one of those who have it, and on a stream of its own, where it holds up no live edit.
//!
//! What was known of a peer is forgotten with its session. A workspace that this device forgets while a
//! session lasts is left out of it: the peer cannot know, and what it still says about it is let pass.
//! Should the workspace be here again, it is offered anew, and the peer begins with it anew.

use crate::{
    codec,
    crypto::{Domain, PublicKey},
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    limits,
    link_code::LinkSecret,
    message::{
        Auth, CarryAnswer, CarryOffer, Chunk, Claim, Confirmed, Digest, Heads, Hello, Lane, LinkAccept,
        LinkDone, LinkOffer, Message, NeedKeys, Ops, PROTOCOL_VERSION, PullId, Recover, Recovered, Want,
    },
    presence::Presence,
    root::Root,
    ticket::SessionSecret,
    time::Now,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod budget;
mod peer_copy;
mod pull;
mod reading;

pub(crate) use budget::Budget;
pub use budget::Rate;
pub use peer_copy::{Admission, Offered, PeerCopy, Source};
pub(crate) use pull::Asked;
pub use pull::Window;
pub(crate) use reading::{Ahead, read_next};

use pull::Pulls;

/// Why a session ends. A fault of the other side is data, never our error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not a message.
    #[error("sent a frame that is not understood: {0}")]
    Frame(#[from] codec::CodecError),
    /// Another version.
    #[error("speaks protocol version {0}, this program speaks {PROTOCOL_VERSION}: update the older one")]
    Version(u16),
    /// Out of order.
    #[error("broke the protocol: {0}")]
    Order(&'static str),
    /// Forwarded what does not verify.
    #[error("sent an invalid run: {0}")]
    Run(String),
    /// Nothing came.
    #[error("did not introduce itself within {} s", limits::HELLO_MS / 1000)]
    Silent,
    /// It knows nothing that we know.
    #[error("shares no workspace with this device")]
    Stranger,
}

/// What a message asks of the replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Nothing more.
    Nothing,
    /// The peer is there: offer it our workspaces.
    Opened,
    /// The peer proved that it has this workspace.
    Shared(WorkspaceId),
    /// It sent its digest.
    Digest(Digest),
    /// It announced heads.
    Heads(Heads),
    /// It sent entries.
    Ops(Ops),
    /// It says good-bye.
    Bye,
    /// It says what lets it in.
    Claim(WorkspaceId),
    /// It says that our ticket was withdrawn.
    Withdrawn(WorkspaceId),
    /// It asks for keys.
    NeedKeys(NeedKeys),
    /// It would take this device in.
    LinkOffer(LinkOffer),
    /// It agrees to be taken in.
    LinkAccept(LinkAccept),
    /// It took this device in.
    LinkDone(LinkDone),
    /// It has the root of this person, who asks for their workspaces.
    Recover(PersonId),
    /// It tells of a workspace of the person.
    Recovered(Recovered),
    /// It asks for a pull.
    Want(Want),
    /// It sent part of a pull.
    Chunk(Chunk),
    /// It took a chunk.
    Taken(PullId),
    /// It has nothing more for a pull.
    End(PullId),
    /// It wants nothing more of a pull.
    Stop(PullId),
    /// It tells who is here.
    Presence(Presence),
    /// It asks this device to carry a workspace.
    CarryOffer(CarryOffer),
    /// It says whether it carries one.
    CarryAnswer(CarryAnswer),
    /// It tells what a relay confirmed to it.
    Confirmed(Confirmed),
}

const UNSHARED: &str = "a message about a workspace that was not authenticated";

/// See the module.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub struct Session {
    us: DeviceId,
    peer: DeviceId,
    hello: Hello,
    theirs: Option<Hello>,
    /// By how much the peer's clock was ahead of this device's when it introduced itself.
    clock_ahead_ms: Option<i64>,
    opened_ms: u64,
    offered: Vec<WorkspaceId>,
    /// Workspaces that were offered, and are here no more.
    parted: BTreeSet<WorkspaceId>,
    /// The latest offers of workspaces that we do not have (yet).
    unmatched: VecDeque<Auth>,
    /// What is known of the peer's copies.
    pub copies: BTreeMap<WorkspaceId, PeerCopy>,
    /// Whether it was asked for the workspaces of a person.
    recovering: bool,
    /// Which keys the peer was last asked for.
    asked: BTreeMap<WorkspaceId, Vec<EntryId>>,
    pub(crate) pulls: Pulls,
    /// What it may still say of who is here.
    presences: Budget,
    /// How often it may begin with a workspace again,
    begun_again: Budget,
    /// and ask for the workspaces of a person.
    recoveries: Budget,
    /// How often it may ask this device to carry something.
    carries: Budget,
    /// Bytes of the session's own stream given to the network so far, and those that it has written.
    queued: u64,
    written: u64,
    frames: Vec<Vec<u8>>,
}

impl Session {
    /// Opens a session: says `Hello`.
    pub fn open(now: Now, us: DeviceId, peer: DeviceId, nonce: [u8; 32]) -> Self {
        let hello = Hello { version: PROTOCOL_VERSION, nonce, wall_ms: now.wall_ms };
        let mut session = Self {
            us,
            peer,
            hello,
            theirs: None,
            clock_ahead_ms: None,
            opened_ms: now.mono_ms,
            offered: Vec::new(),
            parted: BTreeSet::new(),
            unmatched: VecDeque::new(),
            copies: BTreeMap::new(),
            recovering: false,
            asked: BTreeMap::new(),
            pulls: Pulls::default(),
            presences: Budget::default(),
            begun_again: Budget::default(),
            recoveries: Budget::default(),
            carries: Budget::default(),
            queued: 0,
            written: 0,
            frames: Vec::new(),
        };
        session.say(&Message::Hello(hello));
        session
    }

    /// What this device drew for the session.
    pub const fn nonce(&self) -> [u8; 32] {
        self.hello.nonce
    }

    /// Queues a message.
    pub fn say(&mut self, message: &Message) {
        let frame = message.encode();
        if Lane::of(&frame) == Lane::Session {
            self.queued += frame.len() as u64;
        }
        self.frames.push(frame);
    }

    /// Queues several messages.
    pub fn say_all(&mut self, messages: &[Message]) {
        for message in messages {
            self.say(message);
        }
    }

    /// Takes the queued frames.
    pub fn take_frames(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.frames)
    }

    /// The network has written so much of the session's own stream.
    pub fn sent(&mut self, bytes: usize) {
        self.written = self.queued.min(self.written + bytes as u64);
    }

    /// Whether more may be handed to the network.
    pub fn has_room(&self) -> bool {
        self.queued - self.written < limits::IN_FLIGHT_BYTES as u64
    }

    /// Whether no entries are on their way, neither to the peer nor, as far as it said, from it.
    pub fn is_quiet(&self, now: Now) -> bool {
        self.queued == self.written
            && self.pulls.is_idle()
            && self.copies.values().all(|copy| copy.is_quiet(now))
    }

    /// When to wake up for this session.
    pub fn deadline(&self) -> Option<u64> {
        let patience = self.patience().map(|(until, _)| until);
        self.copies.values().map(PeerCopy::deadline).chain(patience).chain(self.pulls.deadline()).min()
    }

    /// Until when the peer may take its next step towards a shared workspace, and what it is if it
    /// does not.
    fn patience(&self) -> Option<(u64, Fault)> {
        match self.theirs {
            None => Some((self.opened_ms + limits::HELLO_MS, Fault::Silent)),
            Some(_) if self.copies.is_empty() => Some((self.opened_ms + limits::AUTH_MS, Fault::Stranger)),
            Some(_) => None,
        }
    }

    /// Whether the peer used up our patience.
    pub fn check_patience(&self, now: Now) -> Result<(), Fault> {
        match self.patience() {
            Some((until, fault)) if now.mono_ms >= until => Err(fault),
            _ => Ok(()),
        }
    }

    /// Offers a workspace, and matches it with what the peer offered before.
    pub fn offer(&mut self, now: Now, workspace: WorkspaceId, secret: &SessionSecret) -> Request {
        let Some(theirs) = self.theirs else { return Request::Nothing };
        if !self.offered.contains(&workspace) {
            self.offered.push(workspace);
            let auth = auth(secret, (self.us, &self.hello), (self.peer, &theirs));
            self.say(&Message::Auth(auth));
        }
        let expected = auth(secret, (self.peer, &theirs), (self.us, &self.hello));
        match self.unmatched.iter().position(|auth| *auth == expected) {
            Some(index) => {
                self.unmatched.remove(index);
                self.share(now, workspace)
            }
            None => Request::Nothing,
        }
    }

    /// The peer has proved to have a workspace. Whoever does so twice has forgotten it meanwhile, and with
    /// it all that it was sent.
    fn share(&mut self, now: Now, workspace: WorkspaceId) -> Request {
        self.parted.remove(&workspace);
        let before = self.copies.get(&workspace);
        let copy = before.map_or_else(|| PeerCopy::new(now), |before| before.anew(now));
        self.copies.insert(workspace, copy);
        Request::Shared(workspace)
    }

    /// A workspace is no longer here. Returns whether the peer shared it. What it proved then counts as an
    /// offer of one that is not here: it is not made a second time.
    pub fn part_with(&mut self, workspace: WorkspaceId, secret: &SessionSecret) -> bool {
        self.asked.remove(&workspace);
        let ended = self.pulls.part_with(workspace);
        self.say_all(&ended);
        let Some(at) = self.offered.iter().position(|offered| *offered == workspace) else { return false };
        self.offered.swap_remove(at);
        if self.parted.len() < limits::OFFERS_PER_SESSION {
            self.parted.insert(workspace);
        }
        let was_shared = self.copies.remove(&workspace).is_some();
        if let Some(theirs) = self.theirs.filter(|_| was_shared) {
            self.note_unmatched(auth(secret, (self.peer, &theirs), (self.us, &self.hello)));
        }
        was_shared
    }

    /// Reads a frame. `secrets` are those of our workspaces.
    pub fn receive<'a>(
        &mut self,
        now: Now,
        frame: &[u8],
        secrets: impl Iterator<Item = (WorkspaceId, &'a SessionSecret)>,
    ) -> Result<Request, Fault> {
        match (Message::decode(frame)?, self.theirs) {
            (Message::Hello(hello), None) => self.greet(now, hello),
            (Message::Hello(_), Some(_)) => Err(Fault::Order("a second Hello")),
            (Message::Bye, _) => Ok(Request::Bye),
            (_, None) => Err(Fault::Order("no Hello first")),
            (Message::Auth(auth), Some(theirs)) => self.authenticate(now, auth, &theirs, secrets),
            (Message::Digest(digest), _) => self.checked(digest.workspace, Request::Digest(digest)),
            (Message::Heads(heads), _) => {
                if heads.heads.len() > limits::HEADS_PER_MESSAGE {
                    return Err(Fault::Order("too many heads in one message"));
                }
                self.checked(heads.workspace, Request::Heads(heads))
            }
            (Message::Ops(ops), _) => self.checked(ops.workspace, Request::Ops(ops)),
            (Message::Claim(Claim { workspace, by }), _) => {
                if let Some(copy) = self.copies.get_mut(&workspace) {
                    copy.set_claim(by);
                }
                self.checked(workspace, Request::Claim(workspace))
            }
            (Message::Withdrawn(workspace), _) => self.checked(workspace, Request::Withdrawn(workspace)),
            (Message::NeedKeys(need), _) => {
                if need.epochs.len() > limits::EPOCHS_ASKED {
                    return Err(Fault::Order("too many epochs in one message"));
                }
                self.checked(need.workspace, Request::NeedKeys(need))
            }
            (Message::Presence(said), _) => self.checked(said.workspace, Request::Presence(said)),
            (Message::LinkOffer(offer), _) => Ok(Request::LinkOffer(offer)),
            (Message::LinkAccept(accept), _) => Ok(Request::LinkAccept(accept)),
            (Message::LinkDone(done), _) => {
                if done.workspaces.len() > limits::WORKSPACES_SHARED {
                    return Err(Fault::Order("too many workspaces in one message"));
                }
                Ok(Request::LinkDone(done))
            }
            (Message::Recover(recover), Some(theirs)) => self.recover(now, &recover, &theirs),
            (Message::Recovered(_), _) if !self.recovering => {
                Err(Fault::Order("an answer that nobody asked for"))
            }
            (Message::Recovered(recovered), _) => Ok(Request::Recovered(recovered)),
            (Message::Want(want), _) => {
                let places: usize = want.heads.iter().map(|wanted| wanted.after.len()).sum();
                if want.heads.len() > limits::WANT_HEADS || places > limits::WANT_PLACES {
                    return Err(Fault::Order("wants too much at once"));
                }
                Ok(Request::Want(want))
            }
            (Message::CarryOffer(offer), _) => {
                if offer.token.len() > limits::CARRY_TOKEN || !self.carries.take(now, limits::CARRY_RATE) {
                    return Err(Fault::Order("asks too much of a relay"));
                }
                Ok(Request::CarryOffer(offer))
            }
            (Message::CarryAnswer(answer), _) => Ok(Request::CarryAnswer(answer)),
            (Message::Confirmed(confirmed), _) => {
                self.checked(confirmed.workspace, Request::Confirmed(confirmed))
            }
            (Message::Chunk(chunk), _) => Ok(Request::Chunk(chunk)),
            (Message::Taken(pull), _) => Ok(Request::Taken(pull)),
            (Message::End(pull), _) => Ok(Request::End(pull)),
            (Message::Stop(pull), _) => Ok(Request::Stop(pull)),
        }
    }

    /// The peer says that it has the root of a person: it has to prove that.
    fn recover(&mut self, now: Now, recover: &Recover, theirs: &Hello) -> Result<Request, Fault> {
        let said = recovery_bytes((self.peer, &theirs.nonce), (self.us, &self.hello.nonce));
        let key = PublicKey::parse(&recover.person.0);
        let proved = key.and_then(|key| key.verify(Domain::Recover, &said, &recover.by_root));
        proved.map_err(|_| Fault::Order("a claim to a person that is not proved"))?;
        if !self.recoveries.take(now, limits::RECOVERY_RATE) {
            return Err(Fault::Order("asks for a person's workspaces too often"));
        }
        Ok(Request::Recover(recover.person))
    }

    /// Says, with proof, that this device has the root of a person.
    pub fn say_recover(&mut self, root: &Root) {
        let Some(theirs) = self.theirs else { return };
        self.recovering = true;
        let said = recovery_bytes((self.us, &self.hello.nonce), (self.peer, &theirs.nonce));
        let by_root = root.signing_key().sign(Domain::Recover, &said);
        self.say(&Message::Recover(Recover { person: root.person(), by_root }));
    }

    /// What the key of a ticket signs to prove in this session that its holder, this device or else the
    /// peer, may be served.
    pub fn claim_bytes(&self, workspace: WorkspaceId, by_us: bool) -> Option<Vec<u8>> {
        let (us, theirs) = ((self.us, self.hello.nonce), (self.peer, self.theirs?.nonce));
        let (claimer, other) = if by_us { (us, theirs) } else { (theirs, us) };
        Some(codec::encode(&(workspace, claimer, other)))
    }

    /// What proves in this session that this device has read the peer's link code.
    pub fn link_proof(&self, secret: &LinkSecret) -> Option<[u8; 32]> {
        let theirs = self.theirs?;
        Some(secret.proof((self.us, &self.hello.nonce), (self.peer, &theirs.nonce)))
    }

    /// The same, as the peer proves it to this device.
    pub fn expected_link_proof(&self, secret: &LinkSecret) -> Option<[u8; 32]> {
        let theirs = self.theirs?;
        Some(secret.proof((self.peer, &theirs.nonce), (self.us, &self.hello.nonce)))
    }

    /// Whether to ask for these keys: not twice for the same.
    pub fn may_ask(&mut self, workspace: WorkspaceId, epochs: &[EntryId]) -> bool {
        self.asked.insert(workspace, epochs.to_vec()).is_none_or(|before| before != epochs)
    }

    /// Whether one more word of the peer about who is here is listened to: what is too much is let pass,
    /// since it comes again.
    pub fn may_say_presence(&mut self, now: Now) -> bool {
        self.presences.take(now, limits::PRESENCE_RATE)
    }

    /// By how many milliseconds the peer's clock is ahead of this device's, or behind if negative.
    pub const fn clock_ahead_ms(&self) -> Option<i64> {
        self.clock_ahead_ms
    }

    /// Whether the peer has introduced itself.
    pub const fn is_open(&self) -> bool {
        self.theirs.is_some()
    }

    fn greet(&mut self, now: Now, hello: Hello) -> Result<Request, Fault> {
        if hello.version != PROTOCOL_VERSION {
            return Err(Fault::Version(hello.version));
        }
        self.theirs = Some(hello);
        let ahead = i128::from(hello.wall_ms) - i128::from(now.wall_ms);
        self.clock_ahead_ms = Some(ahead.clamp(i64::MIN.into(), i64::MAX.into()) as i64);
        Ok(Request::Opened)
    }

    fn authenticate<'a>(
        &mut self,
        now: Now,
        given: Auth,
        theirs: &Hello,
        secrets: impl Iterator<Item = (WorkspaceId, &'a SessionSecret)>,
    ) -> Result<Request, Fault> {
        for (workspace, secret) in secrets {
            if given == auth(secret, (self.peer, theirs), (self.us, &self.hello)) {
                // Beginning anew costs too much to be done often.
                let begins_again = self.copies.contains_key(&workspace);
                if begins_again && !self.begun_again.take(now, limits::BEGIN_AGAIN_RATE) {
                    return Err(Fault::Order("begins with a workspace again too often"));
                }
                return Ok(self.share(now, workspace));
            }
        }
        self.note_unmatched(given);
        Ok(Request::Nothing)
    }

    /// Somebody may well have many workspaces and share few of them with us.
    fn note_unmatched(&mut self, given: Auth) {
        if self.unmatched.len() >= limits::OFFERS_PER_SESSION {
            self.unmatched.pop_front();
        }
        self.unmatched.push_back(given);
    }

    fn checked(&self, workspace: WorkspaceId, request: Request) -> Result<Request, Fault> {
        match self.copies.contains_key(&workspace) {
            true => Ok(request),
            false if self.parted.contains(&workspace) => Ok(Request::Nothing),
            false => Err(Fault::Order(UNSHARED)),
        }
    }
}

/// What the root of a person signs in a session.
fn recovery_bytes(sender: (DeviceId, &[u8; 32]), receiver: (DeviceId, &[u8; 32])) -> Vec<u8> {
    codec::encode(&(sender, receiver))
}

/// What `sender` says to `receiver` to prove that it knows `secret`.
fn auth(secret: &SessionSecret, sender: (DeviceId, &Hello), receiver: (DeviceId, &Hello)) -> Auth {
    let keyed = |context: &str| {
        let key = zeroize::Zeroizing::new(blake3::derive_key(context, &secret.0));
        let mut hasher = blake3::Hasher::new_keyed(&key);
        for (device, hello) in [sender, receiver] {
            hasher.update(&device.0).update(&hello.nonce);
        }
        *hasher.finalize().as_bytes()
    };
    Auth { tag: keyed("velo 2026 session tag"), mac: keyed("velo/auth/1") }
}
