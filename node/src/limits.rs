//! Every bound of the node in one place, each with its reason. Sizes are bytes and times
//! milliseconds unless the name says otherwise. Those of the protocol are in
//! [`velo_protocol::limits`].

/// One line on the control socket. A request holds what somebody typed, and of files only their
/// path. Linux hands a program at most 128 KiB in one argument, and a control character takes six
/// times its place in JSON: this is room for that and all other arguments.
pub const CONTROL_LINE: usize = 1024 * 1024;
/// Clients of the control socket served at the same time; further ones wait in the kernel's queue.
pub const CONTROL_CLIENTS: usize = 32;
/// Commands waiting for the driver. A person makes one at a time and a script waits for its answer.
pub const COMMAND_QUEUE: usize = 256;
/// What peers and screens want of attachments, while their thread waits for the disk. Peers have a few questions under
/// way each. Above it a peer is told to ask later, and a person to try again.
pub const COURIER_QUEUE: usize = 1024;
/// Events kept for a subscriber that does not read. Above it the subscriber is told that it missed
/// some and reads the state anew.
pub const EVENT_QUEUE: usize = 1024;
/// Bytes handed to the committer and not yet durable. Above it the driver takes no more frames, so
/// that a slow disk slows the peers down and does not fill the memory.
pub const COMMIT_QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// Bytes made durable by one commit of the committer.
pub const COMMIT_BYTES: usize = 2 * 1024 * 1024;
/// A batch up to this size is committed by the driver itself,
pub const QUICK_COMMIT_BYTES: usize = 16 * 1024;
/// if the last commit took no longer than this: the driver may keep its peers waiting so long.
pub const QUICK_COMMIT_MS: u64 = 1;
/// While inputs keep coming, snapshots are published at this distance: a screen shows 60 a second.
pub const PUBLISH_MS: u64 = 10;
/// State pages are saved after this time without a change,
pub const SAVE_QUIET_MS: u64 = 5_000;
/// or when this time has passed since the first unsaved change,
pub const SAVE_LATEST_MS: u64 = 60_000;
/// or when so many bytes of the log would have to be replayed.
pub const SAVE_BYTES: usize = 8 * 1024 * 1024;
/// A file that is given up when the disk is full, so that what follows can still be saved and the
/// directory opens again.
pub const BALLAST_BYTES: u64 = 16 * 1024 * 1024;
/// Log files of which the end goes into the diagnostics: of today, and of yesterday.
pub const DIAGNOSTIC_LOGS: usize = 2;
/// And so much of each: some days of an ordinary log, and small enough to be sent by mail.
pub const DIAGNOSTIC_LOG_BYTES: u64 = 512 * 1024;
/// Log files kept, one a day.
pub const LOG_FILES: usize = 7;
/// What is remembered of peers is written after this time: sessions begin and end in bursts, and a crash
/// costs no more than the last seconds of it.
pub const PEER_NOTES_MS: u64 = 3_000;
/// What is read of the file of that. With the most peers, each in some dozens of workspaces, it is smaller.
pub const PEER_NOTES_BYTES: u64 = 4 * 1024 * 1024;
/// How long a shutdown waits for the network to say goodbye to its peers.
pub const GOODBYE_MS: u64 = 1_000;
/// How long to wait for a data directory that another process has open, if that does not serve the
/// control socket: it is a command, done in a fraction of a second, or a node that is just starting.
pub const LOCK_WAIT_MS: u64 = 5_000;
/// How often it is looked for meanwhile.
pub const LOCK_POLL_MS: u64 = 20;
/// A client of the control socket that neither asks nor reads its answer for so long is let go:
/// there are only [`CONTROL_CLIENTS`] places. A client writes its request at once.
pub const CONTROL_IDLE_MS: u64 = 30_000;
/// How long a process that serves the control socket may take to say that it is there.
pub const CONTROL_PROBE_MS: u64 = 5_000;
/// How long a ticket waits for a node to take the data directory, where none has it: in
/// `velo node & velo invite` the second may come first. Starting a program takes some milliseconds.
pub const INVITE_NODE_MS: u64 = 1_000;
/// How long a ticket waits for an address of a node that has just started. Listening takes some
/// milliseconds; a node whose port is taken never does.
pub const INVITE_LISTEN_MS: u64 = 2_000;
/// How often it is looked for meanwhile.
pub const INVITE_POLL_MS: u64 = 20;
/// Entries of a log that history reads backwards to say what an undo without effect was about. Most
/// follow close upon what they undo.
pub const UNDO_LOOK_BACK: u64 = 256;
/// How long history waits for an entry that is shown and on its way to the disk.
pub const COMMIT_PATIENCE_MS: u64 = 2_000;
/// The key file. A chain of certificates as long as it may be takes 5 KiB.
pub const KEY_FILE: usize = 16 * 1024;
/// Bytes of a passphrase, and of the file that holds one.
pub const PASSPHRASE: usize = 1024;
/// Least letters of a passphrase. Each guess costs [`ARGON2_KIB`] and [`ARGON2_PASSES`], which makes up
/// for little where there is little to guess.
pub const PASSPHRASE_LEAST: usize = 8;
/// What trying one passphrase takes: the second recommendation of RFC 9106, section 4, on one lane. Half
/// a second on a small computer, once for each start,
pub const ARGON2_KIB: u32 = 64 * 1024;
/// and so many passes over that memory.
pub const ARGON2_PASSES: u32 = 3;
/// The most that a key file may ask for: a damaged or planted one must not take all memory,
pub const ARGON2_KIB_MOST: u32 = 256 * 1024;
/// nor hold up a start for ever,
pub const ARGON2_PASSES_MOST: u32 = 16;
/// in so many lanes, which run one after the other.
pub const ARGON2_LANES_MOST: u32 = 8;
/// What is read of a phrase that somebody types or pipes in: 24 words, and room for numbering.
pub const PHRASE_TEXT: usize = 4 * 1024;
/// A picture in which a ticket is looked for, or that is shown in small. The cameras of phones make up to 20 MiB,
pub const PICTURE_BYTES: u64 = 32 * 1024 * 1024;
/// of up to 50 million pixels. A small file may claim many more: each takes up to eight bytes.
pub const PICTURE_PIXELS: u64 = 50_000_000;
/// Longest wait for something, in seconds: a day. A greater number is taken for this.
pub const LONGEST_WAIT_S: u64 = 86_400;
/// How long a trouble of the disk that is known when an attachment is asked for may be an old one: it is tried again
/// by then.
pub const FETCH_TROUBLE_MS: u64 = 1_000;
/// After this time discovery is tried again that could not be started, or ended by a fault of the system,
pub const DISCOVERY_AGAIN_MS: u64 = 5_000;
/// and ever more seldom: as this often it doubles, to five minutes.
pub const DISCOVERY_DOUBLINGS: u32 = 6;
/// How long `velo peers add` waits for the first answer at an address. Behind routers it takes a second or two.
pub const ADD_PEER_MS: u64 = 5_000;
/// And at least so long for a new dial where one has failed before.
pub const ADD_PEER_LEAST_MS: u64 = 500;
/// How often it is looked for what has come of an attachment.
pub const FETCH_POLL_MS: u64 = 200;
/// How often content that is found damaged is fetched again before the disk is given up.
pub const SAVE_TRIES: usize = 8;
/// How long the end of a node, or of a workspace on it, waits for its state to be saved: many times what the
/// largest takes. It can be made again from the log.
pub const SAVE_WAIT_MS: u64 = 20_000;
/// Answers of a relay's operator that are waited for at once.
pub const OPERATOR_ASKED: usize = 16;
