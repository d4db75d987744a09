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
