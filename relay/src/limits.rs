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
/// Between two attempts: milliseconds.
pub const RETRY_MS: u64 = 200;
/// Bytes of rows that are sent to the database at once.
pub const COPY_BYTES: usize = 256 * 1024;

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
