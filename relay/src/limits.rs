//! The bounds of the relay beyond those of the node and of the protocol.

/// Connections to the database. Appending needs one, reading and the API the others.
pub const CONNECTIONS: u32 = 8;
/// How long a start waits for the database before it says that there is none: milliseconds.
pub const CONNECT_MS: u64 = 10_000;
/// How long what is to be written waits for a database that is away. A restart takes seconds, a failover to
/// another server may take a minute.
pub const WRITE_PATIENCE_MS: u64 = 180_000;
/// The same of what is to be read: whoever asked for it waits with everything else.
pub const READ_PATIENCE_MS: u64 = 60_000;
/// The same of the operator's tokens: less than whoever shows one waits.
pub const OPERATOR_PATIENCE_MS: u64 = 10_000;
/// The same of attachments: nobody waits for them but who asked for one, who asks again.
pub const BLOB_PATIENCE_MS: u64 = 5_000;
/// Between two attempts: milliseconds.
pub const RETRY_MS: u64 = 200;
/// How often is looked whether workspaces came that the database knows already: milliseconds.
pub const NEIGHBOUR_LOOK_MS: u64 = 1_000;
/// Rows of what another relay wrote that are read at once.
pub const NEIGHBOUR_ROWS: i64 = 512;
/// Bytes of rows that are sent to the database at once.
pub const COPY_BYTES: usize = 256 * 1024;

/// Connections to the HTTP API: each costs a few tens of KiB while it says nothing.
pub const HTTP_CONNECTIONS: usize = 4_096;
/// The same of one address, or, where a proxy on this machine speaks for it, requests at once. A page that follows
/// a few workspaces needs one for each; who follows many through one address asks in turn.
pub const HTTP_PER_ADDRESS: usize = 64;
/// How long a request may take to say its headers, and a connection to say nothing: milliseconds.
pub const HTTP_HEAD_MS: u64 = 30_000;
/// The same of a request's body.
pub const HTTP_BODY_MS: u64 = 10_000;
/// After which a connection takes no further request: whoever reads too slowly does not keep it for ever.
pub const HTTP_CONNECTION_MS: u64 = 300_000;
/// How long its last request may take.
pub const HTTP_LAST_MS: u64 = 120_000;
/// Bytes of a body that is too large which are read and dropped, so that whoever sends it hears the answer: more than
/// Caddy passes on.
pub const BODY_PASSED_OVER: usize = 64 * 1024 * 1024;
/// Bytes of a body that says who somebody is.
pub const AUTH_BODY: usize = 4 * 1024;
/// Bytes of a body with entries: 256 runs of medium size in base64.
pub const SYNC_BODY: usize = 4 * 1024 * 1024;
/// Runs in one request.
pub const SYNC_OPS: usize = 256;
/// Bytes of a body with operations of an integration.
pub const OPS_BODY: usize = 512 * 1024;
/// Operations in one request of an integration.
pub const OPS_PER_REQUEST: usize = 100;
/// Entries in one answer, and how many there are if nobody says.
pub const PAGE: i64 = 1_000;
/// See [`PAGE`].
pub const PAGE_DEFAULT: i64 = 200;
/// Bytes of headers and bodies in one answer; a single entry always fits.
pub const PAGE_BYTES: i64 = 2 * 1024 * 1024;
/// Tasks, projects, comments or logs in one answer.
pub const ROWS: usize = 500;
/// Seconds for which a request waits for changes.
pub const WAIT_S: u64 = 60;
/// Requests that wait for changes at once.
pub const WAITING: usize = 2_048;
/// Requests that read whole workspaces at once: each keeps a thread busy.
pub const READING: usize = 4;
/// How long a request waits for a database that is away: milliseconds. Whoever asked tries again.
pub const HTTP_PATIENCE_MS: u64 = 2_000;
/// How long a request waits until what it brings is saved: milliseconds.
pub const SAVE_PATIENCE_MS: u64 = 20_000;
/// How long a nonce is good: milliseconds.
pub const NONCE_MS: u64 = 60_000;
/// Nonces that were used and are still good. Only devices of members use one up.
pub const NONCES_USED: usize = 16_384;
/// How long a token is good: seconds.
pub const TOKEN_S: u64 = 600;
/// Shortest secret that signs tokens, in bytes: that of a key of HMAC-SHA-256 (RFC 7518, section 3.2).
pub const SECRET_BYTES: usize = 32;
/// Requests of one address a second, and at once after a while of silence. A whole team may stand behind it.
pub const PER_ADDRESS: Rate = Rate { per_second: 100.0, burst: 400.0 };
/// The same of those that ask for a token.
pub const AUTH_PER_ADDRESS: Rate = Rate { per_second: 5.0, burst: 60.0 };
/// The same of one device, or one integration.
pub const PER_DEVICE: Rate = Rate { per_second: 20.0, burst: 100.0 };
/// Addresses and devices whose requests are counted; all further ones share one count.
pub const COUNTED: usize = 16_384;
/// Days for which is remembered what integrations did.
pub const OPS_KEPT_DAYS: i32 = 90;
/// Seconds after which an operation that was begun and never finished is done again.
pub const OP_PATIENCE_S: f64 = 30.0;
/// Characters of the names that integrations give.
pub const INTEGRATION_NAME: usize = 100;
/// How far ahead of this clock an integration's may be: milliseconds.
pub const CLOCK_AHEAD_MS: i64 = 300_000;

/// How often something may be done.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// For ever.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}
/// Rows of the tables that are sent to the database at once.
pub const TABLE_ROWS: usize = 1_000;
/// Bytes of texts in them that are sent at once, beyond which no further row is added.
pub const TABLE_BYTES: usize = 4 * 1024 * 1024;
/// How long changes are gathered before the tables follow: milliseconds.
pub const TABLES_GATHER_MS: u64 = 100;
/// How often the tables are looked after where nothing happens: another relay that kept them may have ended.
pub const TABLES_LOOK_MS: u64 = 5_000;
/// How long the end of the program waits for the tables: milliseconds.
pub const TABLES_STOP_MS: u64 = 5_000;
/// Characters of a value that the activity shows.
pub const ACTIVITY_VALUE: usize = 200;
