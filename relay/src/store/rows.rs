//! Rows of `entries` in the binary form of `COPY` (`PostgreSQL`'s manual, "COPY", Binary Format).

/// What the rows are copied by: the columns in the order of [`EntryRow`].
pub(super) const COPY: &str = "COPY entries (workspace, cursor, chain, seq, id, kind, hlc, header, body, seal) FROM STDIN WITH (FORMAT binary)";

const COLUMNS: i16 = 10;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// One entry.
pub(super) struct EntryRow<'a> {
    pub workspace: i32,
    pub cursor: i64,
    pub chain: i32,
    pub seq: u64,
    pub id: &'a [u8; 32],
    pub kind: u8,
    pub hlc: u64,
    pub header: &'a [u8],
    pub body: &'a [u8],
    pub seal: Option<&'a [u8; 64]>,
}

/// Rows to be copied.
#[derive(Default)]
pub(super) struct Rows {
    bytes: Vec<u8>,
}

impl Rows {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn push(&mut self, row: &EntryRow<'_>) {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(SIGNATURE);
            // Flags, and the length of an extension: none.
            self.bytes.extend_from_slice(&[0; 8]);
        }
        self.bytes.extend_from_slice(&COLUMNS.to_be_bytes());
        self.field(&row.workspace.to_be_bytes());
        self.field(&row.cursor.to_be_bytes());
        self.field(&row.chain.to_be_bytes());
        self.field(&row.seq.to_be_bytes());
        self.field(row.id);
        self.field(&i16::from(row.kind).to_be_bytes());
        self.field(&row.hlc.to_be_bytes());
        self.field(row.header);
        self.field(row.body);
        match row.seal {
            Some(seal) => self.field(seal),
            None => self.bytes.extend_from_slice(&(-1i32).to_be_bytes()),
        }
    }

    fn field(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    /// All rows, to be sent. None are left.
    pub fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.extend_from_slice(&(-1i16).to_be_bytes());
        bytes
    }
}
