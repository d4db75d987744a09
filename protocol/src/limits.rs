//! Every bound in one place, each with its reason. Sizes are bytes and times milliseconds unless
//! the name says otherwise.

use crate::session::Rate;

/// A frame on a session stream, length prefix not counted. Above any message we make, and small
/// enough that 128 peers filling one each cost 32 MiB.
pub const FRAME: usize = 256 * 1024;
/// The body of one entry. A comment or description fits; a photo is an attachment.
pub const BODY: usize = 32 * 1024;
/// By how much encryption lengthens a body: the tag of Poly1305.
pub const BODY_TAG: usize = 16;
/// What an encrypted body holds.
pub const PLAINTEXT: usize = BODY - BODY_TAG;
/// Recipients in one `KeyEpoch` or `KeyShare`, of 112 bytes each: 25 KiB. The rest follow in further
/// `KeyShare`s.
pub const WRAPS: usize = 224;
/// Older epochs named by one `KeyEpoch`, of at most 113 bytes each: 7 KiB, and with [`WRAPS`] less
/// than a body. There are several only after concurrent rotations; what does not fit is carried by
/// the next ones.
pub const OLDER_EPOCHS: usize = 64;
/// Epochs beside the one to write under whose keys are shared at once with those who lack them. There
/// are few, unless a member starts one after the other; those wait for the next time.
pub const LEFT_OUT: usize = 4;
/// Refused tickets of which a device that tries to join keeps the keys.
pub const EARLIER_TICKETS: usize = 16;
/// The header of one entry: [`DEPS`] ids of 32 bytes, and room for the rest.
pub const HEADER: usize = 3 * 1024;
/// Heads one entry may name.
pub const DEPS: usize = 64;
/// Entries after which a checkpoint seal is due.
pub const CHECKPOINT_ENTRIES: u32 = 256;
/// Bytes of headers and bodies after which a checkpoint seal is due.
pub const CHECKPOINT_BYTES: u32 = 24 * 1024;
/// The greatest run between two checkpoints: the accumulated bytes stay below [`CHECKPOINT_BYTES`]
/// until one last entry of full size.
pub const RUN_BYTES: usize = CHECKPOINT_BYTES as usize + HEADER + BODY;
/// What one `Ops` or `Chunk` carries: a run of full size fits.
pub const OPS_BYTES: usize = 64 * 1024;
/// What a run takes in a message besides its entries: log, origin, where it continues, seal.
pub const RUN_FRAME_BYTES: usize = 256;
/// How far another device's clock may lie ahead and still be followed.
pub const CLOCK_AHEAD_MS: u64 = 5 * 60 * 1000;

/// Values or names of a register, or registers of an entity, that are kept as a list, which takes
/// least memory; more are kept as a tree, so that nobody can make the next one cost more than this.
pub const FEW: usize = 128;

/// Operations in one entry. The body's size binds first; this keeps the index small.
pub const OPS_PER_ENTRY: usize = 4096;
/// Operations named by one operation. An author who must name more writes several.
pub const NAMES_PER_OP: usize = 1024;
/// Changes in one command: the largest import of the product's promise, with room.
pub const CHANGES_PER_COMMAND: usize = 2_000_000;

/// Characters of a title.
pub const TITLE_CHARS: usize = 500;
/// Characters of a name (project, column, label, person).
pub const NAME_CHARS: usize = 200;
/// Edits of an entity's long texts of which history tells what they changed: the latest. For each the text is
/// laid out, which takes a millisecond where it is long.
pub const EXCERPTS: usize = 200;
/// Bytes of a text of several lines: of one value, and of what somebody makes of a long text. What several
/// people insert at once may be more.
pub const LONG_TEXT_BYTES: usize = 24 * 1024;
/// Bytes that a long text may grow to by edits: more can only come by what several people insert at once.
pub const LONG_TEXT_MOST: usize = 2 * LONG_TEXT_BYTES;
/// Bytes of a long text that are shown, whatever was inserted: whole inserts, as long as they fit.
pub const LONG_TEXT_SHOWN: usize = 256 * 1024;
/// Parts of one operation on a long text.
pub const SPLICES_PER_OP: usize = 1024;
/// Bytes to which parts of an edit are gathered in one operation; a single one may be larger.
pub const EDIT_BYTES: usize = 4 * 1024;
/// Words between the first and the last difference of two texts up to which single words are kept;
/// above, all of it is replaced.
pub const DIFF_WORDS: usize = 2048;
/// Bytes of an order key. Keys grow by bisection; at this length the neighbours are re-spread.
pub const ORDER_KEY: usize = 64;
/// Tasks above a task: deeper nesting is nobody's intent. A task is not put below one that stands
/// deeper, and nobody looks further up for a project.
pub const NESTING: usize = 64;
/// Tasks in a cycle of parents that is found and broken: so many concurrent moves close one as only
/// malice makes. It bounds what one operation can cost. A longer cycle stays, on every device, so
/// whoever walks up through parents counts the steps.
pub const PARENT_CYCLE: usize = 1024;
/// Bytes of the text in a set element: a reaction,
pub const ELEMENT_TEXT: usize = 64;
/// or where a relay is.
pub const ELEMENT_ADDRESS: usize = 512;
/// Values that one operation ends, or that an undo names, of which is remembered whose they were.
/// People settle few values at once; whoever looks at a conflict pays the square of it.
pub const SETTLED: usize = 8;
/// Transactions kept for undo.
pub const UNDO_DEPTH: usize = 200;

/// Own entries read again on opening, to find the transactions that can be undone.
pub const UNDO_REPLAY: u64 = 4096;

/// Bytes waiting for one peer.
pub const QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a session handed to the network for one peer and not yet written. What is pushed beyond
/// it waits where several edits become one run.
pub const IN_FLIGHT_BYTES: usize = 64 * 1024;
/// Offers of workspaces that are not here, remembered of one peer in case one is joined: 64 bytes
/// each. Older ones are forgotten, and offered again in the next session. Also how many workspaces may be
/// forgotten during a session before it ends at what the peer says about one.
pub const OFFERS_PER_SESSION: usize = 1024;
/// Logs listed in one `Heads` message; more follow in further messages.
pub const HEADS_PER_MESSAGE: usize = 2_000;
/// Bytes of what has no effect that are taken of a person who is out from somebody who is out, and of all
/// who never were in together; see `replica::outside`.
pub const ADDED_OUTSIDE: u64 = 256 * 1024;
/// The same while it cannot be told what is needed.
pub const ADDED_WHILE_MISSING: u64 = 16 * 1024 * 1024;
/// Logs taken into one workspace that no other device's entry names. A device has one, and one more
/// for each time it was restored or copied. A log costs each peer about 600 bytes of memory and 67 in
/// a full announcement, which with this many is 270 KiB.
pub const LOGS_PER_WORKSPACE: usize = 4_096;
/// Logs of one device that one log may name, and that are taken without being named.
pub const LOGS_PER_DEVICE: usize = 64;
/// Branches of one log that one log may name, and that are taken without being named. An honest
/// device forks its log once at most, when it was restored without noticing.
pub const BRANCHES_PER_LOG: usize = 4;

/// The first frame must arrive within this time.
pub const HELLO_MS: u64 = 5_000;
/// A peer must prove within this time that it has a workspace of ours. Long enough for a ticket that
/// is read out while the devices are connected, and strangers in the network take no place for ever.
pub const AUTH_MS: u64 = 60_000;
/// Time between digests, before jitter.
pub const DIGEST_MS: u64 = 10_000;
/// A peer that has said nothing about a workspace for so long is told of as silent: three digests are
/// missing.
pub const SILENT_MS: u64 = 3 * DIGEST_MS * 6 / 5;
/// Changed heads are gathered this long before they are announced.
pub const HEADS_DEBOUNCE_MS: u64 = 50;

/// What was written just now is pushed to peers up to this size: somebody is typing. More is a
/// transfer, which each peer pulls from where it likes.
pub const LIVE_BYTES: usize = 16 * 1024;
/// Sessions over which live edits are pushed. With more, a random choice of them gets every edit from
/// this device and the others from those: that reaches everybody in a few hops, and nobody sends an
/// edit to a hundred peers.
pub const LIVE_SESSIONS: usize = 16;

/// Bytes of one pull under way, at most; on a slow line less: see [`crate::session::Window`]. At
/// 300,000 operations a second the answer to a chunk takes less time than this lasts.
pub const PULL_WINDOW: usize = 1024 * 1024;
/// Bytes of a pull under way before anything is known of the line.
pub const PULL_WINDOW_FIRST: usize = 16 * 1024;
/// How much longer than its shortest way a chunk may take, since it waits for those before it; or
/// half of the way, if that is more. What a live edit waits is about as much.
pub const PULL_QUEUE_MS: u64 = 100;
/// Pulls at the same time from one peer, and for one: a small one need not wait for a great one.
pub const PULLS_PER_PEER: usize = 2;
/// Pulls at the same time from all peers: a window of memory each.
pub const PULLS: usize = 4;
/// And so many altogether where several workspaces lack something: each has one.
pub const PULLS_IN_ALL: usize = 16;
/// A pull that brings nothing new for this long is given up, and its peer not asked again for as long; for
/// twice and four times as long if that was not the first time. A run of full size takes 8 s at 64 kbit/s.
pub const PULL_STALL_MS: u64 = 20_000;
/// How often the rest of who lets pulls stall doubles.
pub const STALL_DOUBLINGS: u32 = 2;
/// Who ends a pull without anything that was wanted is not asked again for this long, and ever longer,
pub const PULL_BARREN_MS: u64 = 1_000;
/// as this often it doubles: to half a minute.
pub const BARREN_DOUBLINGS: u32 = 5;
/// From so many pulls in a row on that a peer let fail people are told.
pub const BARREN_TOLD: u32 = 3;
/// Devices of which is remembered that they let pulls fail; the first to be forgotten is the one that has
/// rested longest.
pub const DEFAULTERS: usize = 1_024;
/// How often it is looked for what to pull: that goes through all that peers announced.
pub const LOOK_RATE: Rate = Rate { every_ms: 20, at_once: 16 };
/// How often a peer may ask for a pull: with every announcement, and twice that.
pub const WANT_RATE: Rate = Rate { every_ms: 1_000 / 40, at_once: 40 };
/// Chains that one pull asks for, of 64 bytes and more each; more follow in further ones.
pub const WANT_HEADS: usize = 1_000;
/// Entries that one pull names of what is here already: 64 KiB.
pub const WANT_PLACES: usize = 2_000;
/// What somebody announces who did not write it is pulled only after this time, or with the next full
/// announcement: most likely its author pushes it.
pub const PULL_DELAY_MS: u64 = 250;
/// Peers just met are given this long to say what they hold before anything is pulled, so that it can
/// be split among them.
pub const GATHER_MS: u64 = 200;
/// Everything we hold is not announced again for this long, unless a person asks.
pub const RESEND_MS: u64 = 3_000;
/// A peer that is not served is told that nothing is here at least this seldom in the end.
pub const DENY_MOST_MS: u64 = 10 * 60_000;
/// Logs read ahead for one pull, to send them in causal order: at most so many runs of memory.
pub const READ_AHEAD: usize = 32;
/// Announced heads that are not here yet, remembered of one peer.
pub const UNKNOWN_HEADS: usize = 10_000;

/// What somebody looks at is gathered this long before it is told: who steps through a list tells where
/// they stop.
pub const PRESENCE_DEBOUNCE_MS: u64 = 100;
/// What is told of a device runs out after this time,
pub const PRESENCE_MS: u64 = 25_000;
/// and is said again in this: one that is lost does no harm.
pub const PRESENCE_RENEW_MS: u64 = 10_000;
/// Devices of one workspace of which is known whether they are here: 400 bytes each.
pub const PRESENCES: usize = 1024;
/// Of these, of one person: so many devices are seldom on at once, and nobody fills the places of the others with
/// devices that they make up and link.
pub const PRESENCES_PER_PERSON: usize = 32;
/// So many peers are told what another device said of itself. Each time others: where devices know few
/// others that reaches everybody, and where they know many hardly anybody is missed twice in a row.
pub const PRESENCE_FANOUT: usize = 4;
/// What a peer may say of devices: everything it knows at once, and then 50 a second, for a hundred devices
/// that change what they look at every other second. Each costs a signature's check, 50 µs.
pub const PRESENCE_RATE: Rate = Rate { every_ms: 20, at_once: PRESENCES as u64 };
/// How often a peer may begin with a workspace again that it had forgotten. It is told everything anew.
pub const BEGIN_AGAIN_RATE: Rate = Rate { every_ms: 10_000, at_once: 8 };
/// How often a peer may prove that it has the root of a person: each answer costs a wrap and a reading for
/// every workspace they are in.
pub const RECOVERY_RATE: Rate = Rate { every_ms: 10_000, at_once: 4 };
/// How often a peer may ask a relay to carry something: each costs a look at its operator's tokens.
pub const CARRY_RATE: Rate = Rate { every_ms: 5_000, at_once: 8 };
/// Bytes of a token of a relay's operator,
pub const CARRY_TOKEN: usize = 256;
/// and of the words with which a relay declines.
pub const CARRY_WORDS: usize = 512;
/// How long a device waits for a relay that it asks to carry a workspace.
pub const CARRY_MS: u64 = 30_000;
/// Statements in a row of what it holds with which a relay leaves out what it had confirmed, before that is told
/// of: a single one may have been long on its way.
pub const WITHHELD_STATEMENTS: usize = 3;
/// What a relay confirmed so long ago to somebody else it has had the time to show to everybody: three digests, or
/// 64 KiB at 64 kbit/s and as much again.
pub const CONFIRMED_MS: u64 = 30_000;
/// What a relay has shown for so long can be judged by its latest statements: [`CONFIRMED_MS`], and the time of
/// [`WITHHELD_STATEMENTS`] digests.
pub const SETTLED_MS: u64 = CONFIRMED_MS + WITHHELD_STATEMENTS as u64 * DIGEST_MS * 6 / 5;
/// A relay that lost what it had confirmed, and is offered it, may stand still for so long before that is told
/// of: it gives up a pull that stalls after 20 s, and asks the next peer.
pub const WITHHELD_MS: u64 = 120_000;
/// How often the time is noted anew while a breach goes on.
pub const BREACH_AGAIN_MS: u64 = 60_000;
/// For how long people are told of a breach after it was seen last: until they have asked who runs it.
pub const BREACH_TOLD_MS: u64 = 3 * 24 * 3_600_000;
/// Relays' devices of one workspace of which is known what they confirmed; see [`RELAYS`].
pub const CONFIRMING_RELAYS: usize = 64;
/// Heads that others say a relay confirmed and that are not here yet, remembered of each: two of each log and
/// witness, 120 bytes each.
pub const CONFIRMED_UNKNOWN: usize = 512;
/// Relays that are read of a workspace; see `model::workspace::RELAYS`.
pub const RELAYS: usize = 16;
/// Bytes of runs gathered in one part of a bundle: with the first run, which is taken whatever its size,
/// less than a frame.
pub const BUNDLE_PART: usize = FRAME / 2;
/// A part of a bundle as it stands in the file: a [`BLOB`], what says whose it is, and the tag.
pub const BUNDLE_SEALED: usize = BLOB + 64;

/// How long *Sync now* keeps on where automatic sync is off.
pub const SYNC_NOW_MS: u64 = 30_000;

/// Epochs whose keys one message asks for: each leads to the older ones.
pub const EPOCHS_ASKED: usize = 16;
/// Entries that put somebody out, of which is kept that they are why a workspace was taken off their list.
pub const OUT_BY: usize = 16;
/// Keys of which is remembered that they were shared with a device that asked: 64 bytes each. Then it is
/// forgotten.
pub const SHARES_REMEMBERED: usize = 65_536;
/// Workspaces told to a device that is linked, of 64 bytes each.
pub const WORKSPACES_SHARED: usize = 1024;
/// How long a device asks every peer for the workspaces of a person who came back with their words: the
/// root is in its memory until then.
pub const RECOVER_MS: u64 = 60 * 60_000;
/// How long a device looks for the one whose link code was read.
pub const LINK_MS: u64 = 60_000;
/// How long after its end a ticket is withdrawn: who used it in time may be met only after days in the
/// field, and a withdrawal that has not seen them undoes their joining.
pub const EXPIRED_INVITE_MS: u64 = 7 * 24 * 3_600_000;
/// Addresses in a ticket.
pub const TICKET_ADDRESSES: usize = 16;
/// Peers of which is remembered when they were last here, beside those that are.
pub const PEERS_SEEN: usize = 256;
/// Bytes of a ticket's text form.
pub const TICKET_CHARS: usize = 4 * 1024;
/// Links in a certificate chain.
pub const CHAIN_LINKS: usize = 16;

/// Bytes of recently verified runs kept, so that what waits for another log is seldom read again.
pub const RECENT_RUN_BYTES: usize = 16 * 1024 * 1024;
/// Own entries remembered as undos or redos: those of the depth above, most of one entry each, and
/// room for some as large as an import.
pub const UNDO_ENTRIES: usize = 65_536;
/// Own entries without effect that are looked through for what can be posted again: more than anybody
/// writes before their device hears that they are out.
pub const VOID_WORK: usize = 16_384;
/// Own entries from the first of those on that are read on opening, to find what was posted again.
pub const VOID_SCAN: usize = 65_536;
/// Actions posted again at once; the rest is offered afterwards. Each takes an entry.
pub const POSTED_AGAIN: usize = 1024;
/// Sentences of an undo about what was left alone.
pub const KEPT_SENTENCES: usize = 50;

/// The largest attachment: a video of some minutes. Its manifest names 4,097 blobs, 32 bytes each.
pub const ATTACHMENT_BYTES: u64 = 1 << 30;
/// A blob: an encrypted part of a file, or a manifest. Each is checked alone, so what an interruption
/// or a wrong byte costs is at most this.
pub const BLOB: usize = 256 * 1024;
/// Of a blob, asked for at once: well below [`FRAME`], which bounds the answer.
pub const PIECE_MOST: u32 = 128 * 1024;
/// Of a blob, asked for at once, at the slowest: one second of a line of 64 kbit/s.
pub const PIECE_LEAST: u32 = 8 * 1024;
/// The first piece asked of a peer, small enough that its answer tells the round trip.
pub const PIECE_FIRST: u32 = 1024;
/// How long the answer to one piece may hold up an edit.
pub const PIECE_MS: u64 = 1_000;
/// What is asked of a peer about blobs: an offer is the longest, each attachment of which takes an id and a
/// number. On a line of 64 kbit/s it takes a second, like the smallest piece.
pub const BLOB_QUESTION: usize = 8 * 1024;
/// Attachments in one offer.
pub const OFFER: usize = 128;
/// The same of those that a relay has not got yet, although it was offered them: that is asked again and again.
pub const OFFER_AGAIN: usize = 32;
/// When what a relay wanted is offered again, to hear whether it has it: after it asked for nothing of it for so
/// long. That doubles,
pub const OFFER_AGAIN_MS: u64 = 1_000;
/// so many times while nothing comes of it: up to a minute.
pub const OFFER_DOUBLINGS: u32 = 6;
/// The same where it has no room: its operator may have given it more.
pub const OFFER_NO_ROOM_MS: u64 = 600_000;
/// What a relay has is offered again after so long, also within a session: it drops first what nobody offers.
pub const OFFER_RENEW_MS: u64 = 24 * 3_600_000;
/// What nobody has offered for so long gives way where a relay has no room for what somebody offers: longer than
/// a holiday.
pub const OFFER_KEPT_MS: u64 = 30 * 24 * 3_600_000;
/// How often a relay looks for that.
pub const OFFER_STALE_LOOK_MS: u64 = 60_000;
/// Attachments that a relay takes at the same time,
pub const OFFERS_TAKEN: usize = 512;
/// from one device: so 32 slow ones at least do not keep the others waiting,
pub const OFFERS_TAKEN_FROM: usize = 16;
/// and parts that they lack in all. What is known of a part takes up to 100 bytes.
pub const OFFERED_PARTS: usize = 64 * 4_096;
/// The part of a workspace's room at a relay that is left to entries, as the divisor: a quarter. Photos are much
/// larger than edits, and matter less.
pub const ENTRIES_ROOM: u64 = 4;
/// How a peer answers: a piece, and what says so.
pub const BLOB_ANSWER: usize = PIECE_MOST as usize + 64;
/// A peer that does not answer for so long is asked for something else: a piece takes a second, behind
/// a backlog some more.
pub const BLOB_PATIENCE_MS: u64 = 60_000;
/// A peer that was asked for a piece may be silent for so long before another one is asked for the same
/// blob. Longer than a piece takes on a line of 64 kbit/s.
pub const BLOB_SILENT_MS: u64 = 5_000;
/// After this time a peer that had no time for blobs is asked again,
pub const BLOB_LATER_MS: u64 = 500;
/// one that did not answer,
pub const BLOB_FAILED_MS: u64 = 5_000;
/// (after a time that doubles so many times while it goes on so: up to 5 minutes)
pub const BLOB_FAILED_DOUBLINGS: u32 = 6;
/// and one that did not have a blob, which it may fetch itself meanwhile.
pub const BLOB_LACKED_MS: u64 = 15_000;
/// Blobs wait until a peer that announced entries has sent none for so long: they may never come.
pub const ENTRIES_QUIET_MS: u64 = 3_000;
/// Attachments fetched at the same time: the lists of what is missing take up to 256 KiB each.
pub const FETCHES: usize = 64;
/// Wrong blobs remembered, with the peer that is not to be asked for them again.
pub const BLOB_LIES: usize = 4_096;
/// An attachment up to this size is fetched before anybody looks: one or two blobs, as long as a title
/// picture takes.
pub const SMALL_ATTACHMENT: u64 = 256 * 1024;
/// Of these, so many bytes for each workspace: nobody can fill the disks of others by adding many.
pub const SMALL_ATTACHMENTS: u64 = 512 * 1024 * 1024;
/// Bytes of blobs sent to one peer within [`BLOB_QUOTA_MS`]: a workspace full of photos. Who asks for
/// more waits: honest peers keep what they have got.
pub const BLOB_QUOTA: u64 = 16 << 30;
/// See [`BLOB_QUOTA`].
pub const BLOB_QUOTA_MS: u64 = 3_600_000;
/// Content that no attachment shows any more is kept for so long: until then a deletion can be taken
/// back without anybody else's help.
pub const UNSHOWN_MS: u64 = 30 * 24 * 3_600_000;
