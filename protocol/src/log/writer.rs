//! Writing to an own log.

use super::{
    ChainEnd, Entry, Head, Header, LogError, Origin, ReadRun, Run, VerifiedRun, entry_id, local::local_seal,
    seal,
};
use crate::{
    codec,
    crypto::{SecretKey, Sig},
    id::{EntryId, LogId, WorkspaceId},
    limits,
};
use std::sync::Arc;

/// Writes entries of one's own and seals them: a [`VerifiedRun`] needs no second check.
#[derive(Debug)]
pub struct RunWriter {
    run: Run,
    entries: Vec<Entry>,
    end: ChainEnd,
}

impl RunWriter {
    /// Continues the own log `log` at `end`.
    pub fn new(log: LogId, origin: Origin, end: ChainEnd) -> Self {
        let origin = (end.head.position == 0).then_some(origin);
        let run = Run { origin, log, after: end.head, bytes: Vec::new(), seal: Sig([0; 64]) };
        Self { run, entries: Vec::with_capacity(1), end }
    }

    /// The last entry.
    pub fn head(&self) -> Head {
        self.end.head
    }

    /// The position of the next entry.
    pub fn position(&self) -> u64 {
        self.end.head.position + 1
    }

    /// Whether the next entry needs a new run: a checkpoint is due at the last one.
    pub fn is_full(&self) -> bool {
        !self.entries.is_empty() && self.end.checkpoint_due()
    }

    /// Appends an entry; `header.body_len` is set here. Returns its id. What a peer would refuse is
    /// refused here already, and nothing was written then.
    pub fn push(&mut self, mut header: Header, body: &[u8]) -> Result<EntryId, LogError> {
        let position = self.end.head.position + 1;
        if self.is_full() {
            return Err(LogError::PastCheckpoint(position));
        }
        let too_many = header.deps.len() > limits::DEPS;
        if too_many || body.len() > limits::BODY {
            return Err(LogError::TooLarge {
                position,
                what: if too_many { "dependencies" } else { "body" },
            });
        }
        header.body_len = body.len() as u32;
        let header_bytes = codec::encode(&header);
        let id = entry_id(self.end.head.id, &header_bytes, body);
        let start = self.run.bytes.len();
        self.run.bytes.extend_from_slice(&header_bytes);
        let at_body = self.run.bytes.len();
        self.run.bytes.extend_from_slice(body);
        let end = self.run.bytes.len();
        self.end.advance(id, (end - start) as u32);
        self.entries.push(Entry { id, position, header, at: [start, at_body, end].map(|i| i as u32) });
        Ok(id)
    }

    /// Signs what was written. `None` if nothing was.
    pub fn seal(self, workspace: WorkspaceId, key: &SecretKey) -> Option<VerifiedRun> {
        self.close(|log, head| seal(key, workspace, log, head))
    }

    /// Closes what was written for the own store: a due checkpoint is signed, anything else gets a
    /// local seal (see [`super::Signer`]). `None` if nothing was written.
    pub fn seal_locally(self, workspace: WorkspaceId, key: &SecretKey) -> Option<VerifiedRun> {
        let close = if self.end.checkpoint_due() { seal } else { local_seal };
        self.close(|log, head| close(key, workspace, log, head))
    }

    fn close(mut self, seal: impl FnOnce(LogId, Head) -> Sig) -> Option<VerifiedRun> {
        let head = self.entries.last().map(|last| Head { position: last.position, id: last.id })?;
        self.run.seal = seal(self.run.log, head);
        let read = Arc::new(ReadRun { run: self.run, entries: self.entries });
        Some(VerifiedRun { read, end: self.end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{DeviceId, Incarnation, PersonId},
        log::{EntryKind, HEADER_VERSION, verify_run},
        time::Hlc,
    };

    fn ack(deps: usize) -> Header {
        Header {
            version: HEADER_VERSION,
            kind: EntryKind::ACK,
            hlc: Hlc(7),
            auth: None,
            deps: vec![EntryId([2; 32]); deps],
            epoch: None,
            salt: [0; 8],
            body_len: 0,
        }
    }

    #[test]
    fn a_writer_refuses_what_a_peer_would_refuse_and_goes_on() {
        let (key, workspace) = (SecretKey::from_seed(&[1; 32]), WorkspaceId([7; 32]));
        let (person, device) = (PersonId([1; 32]), DeviceId(key.public()));
        let origin = Origin { person, device, incarnation: Incarnation([1; 8]), founder: false };
        let start = ChainEnd::start(origin.log_id(workspace));
        let mut writer = RunWriter::new(origin.log_id(workspace), origin, start);
        let too_large = |what| Err(LogError::TooLarge { position: 1, what });
        assert_eq!(writer.push(ack(0), &vec![0; limits::BODY + 1]), too_large("body"));
        assert_eq!(writer.push(ack(limits::DEPS + 1), &[]), too_large("dependencies"));
        assert!(writer.push(ack(0), &vec![0; limits::BODY]).is_ok(), "now a checkpoint is due");
        assert_eq!(writer.push(ack(0), &[]), Err(LogError::PastCheckpoint(2)));
        let run = writer.seal(workspace, &key).unwrap();
        assert!(verify_run(workspace, &key.public_key(), start, run.run().clone()).is_ok());
    }
}
