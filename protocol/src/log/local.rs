//! Local seals: own entries are signed when somebody is to receive them, not when they are written.
//!
//! A signature takes longer than everything else that a short edit asks of the processor, and only
//! other devices ever check it. So what a device writes is closed by a *local seal*: a hash under a
//! key derived from the device's own, which nobody else can make or check. When a run is about to
//! leave the device, [`Signer`] checks the local seal and puts a signature in its place: one for a
//! hundred edits that were made offline, one for a live edit however many peers get it. Due checkpoints
//! are signed at once, so bulk transfer finds its seals ready.
//!
//! Whoever can write to the disk but has not the key could otherwise have the device sign what they
//! wrote. So the last seal of each own log is checked on opening too ([`is_own_seal`]), before anything
//! is written behind it; a workspace with a log that something else continued is not opened.
//!
//! The store keeps local seals as they are; what was signed for a peer is signed again for the next. A
//! local seal has the length of a signature and ends in 32 zero bytes. On the wire it is an
//! invalid signature.

use super::{Head, LogError, Run, parse_entries, seal, seal_bytes, verify_seal};
use crate::{
    crypto::{CryptoError, SecretKey, Sig},
    id::{EntryId, LogId, WorkspaceId},
};
use std::cell::Cell;

const HASH: usize = blake3::OUT_LEN;

fn hash(key: &SecretKey, workspace: WorkspaceId, log: LogId, head: Head) -> blake3::Hash {
    let key = zeroize::Zeroizing::new(blake3::derive_key("velo 2026 local seal", &*key.seed()));
    blake3::keyed_hash(&key, &seal_bytes(workspace, log, head))
}

/// Closes the head of an own log.
pub(super) fn local_seal(key: &SecretKey, workspace: WorkspaceId, log: LogId, head: Head) -> Sig {
    let mut sig = [0; 64];
    sig[..HASH].copy_from_slice(hash(key, workspace, log, head).as_bytes());
    Sig(sig)
}

/// Whether `sig` is the local seal of the device with this key over `head`.
fn is_local_seal(key: &SecretKey, workspace: WorkspaceId, log: LogId, head: Head, sig: &Sig) -> bool {
    let given = sig.0.first_chunk().map(|given| blake3::Hash::from_bytes(*given));
    has_local_form(sig) && given.is_some_and(|given| given == hash(key, workspace, log, head))
}

/// Whether `sig` is a local seal or a signature of the device with this key over `head`.
pub fn is_own_seal(key: &SecretKey, workspace: WorkspaceId, log: LogId, head: Head, sig: &Sig) -> bool {
    is_local_seal(key, workspace, log, head, sig)
        || verify_seal(&key.public_key(), workspace, log, head, sig).is_ok()
}

/// The second half of a signature is a number that is 0 for none in practice.
fn has_local_form(sig: &Sig) -> bool {
    sig.0[HASH..].iter().all(|byte| *byte == 0)
}

/// Puts signatures in the place of local seals. See the module.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// The device's key.
    pub key: &'a SecretKey,
    /// Of which the runs are.
    pub workspace: WorkspaceId,
    /// The last signature made, by the entry it stands over: several peers get the same run.
    pub last: &'a Cell<Option<(EntryId, Sig)>>,
}

impl Signer<'_> {
    /// Signs a run from the own store, unless it is signed already. An error says that the local
    /// seal does not fit: something else wrote into the store.
    pub fn sign(&self, run: &mut Run) -> Result<(), LogError> {
        if !has_local_form(&run.seal) {
            return Ok(());
        }
        let head = match parse_entries(run.after, &run.bytes)?.last() {
            Some(last) => Head { position: last.position, id: last.id },
            None => return Err(LogError::Empty),
        };
        if let Some((_, made)) = self.last.get().filter(|(over, _)| *over == head.id) {
            run.seal = made;
            return Ok(());
        }
        if !is_local_seal(self.key, self.workspace, run.log, head, &run.seal) {
            return Err(LogError::Seal { position: head.position, source: CryptoError::BadSignature });
        }
        run.seal = seal(self.key, self.workspace, run.log, head);
        self.last.set(Some((head.id, run.seal)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{DeviceId, Incarnation, PersonId},
        limits,
        log::{ChainEnd, EntryKind, HEADER_VERSION, Header, Origin, RunWriter, VerifiedRun, verify_run},
        time::Hlc,
    };

    const WORKSPACE: WorkspaceId = WorkspaceId([7; 32]);

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn written(key: &SecretKey, body: usize) -> (ChainEnd, VerifiedRun) {
        let (person, device) = (PersonId([1; 32]), DeviceId(key.public()));
        let origin = Origin { person, device, incarnation: Incarnation([1; 8]), founder: false };
        let start = ChainEnd::start(origin.log_id(WORKSPACE));
        let mut writer = RunWriter::new(origin.log_id(WORKSPACE), origin, start);
        let (kind, hlc, salt) = (EntryKind::DATA, Hlc(7), [0; 8]);
        let header = Header {
            version: HEADER_VERSION,
            kind,
            hlc,
            auth: None,
            deps: Vec::new(),
            epoch: None,
            salt,
            body_len: 0,
        };
        writer.push(header, &vec![5; body]).unwrap();
        (start, writer.seal_locally(WORKSPACE, key).unwrap())
    }

    #[test]
    fn a_local_seal_is_no_signature_until_its_device_signs_it() {
        let (own, other) = (key(1), key(2));
        let (start, written) = written(&own, 100);
        let mut run = written.run().clone();
        assert!(
            verify_run(WORKSPACE, &own.public_key(), start, run.clone()).is_err(),
            "only signatures travel"
        );
        let last = Cell::new(None);
        let refused = Signer { key: &other, workspace: WORKSPACE, last: &last }.sign(&mut run);
        assert!(matches!(refused, Err(LogError::Seal { position: 1, .. })), "another device cannot");
        let signer = Signer { key: &own, workspace: WORKSPACE, last: &last };
        signer.sign(&mut run).unwrap();
        assert!(verify_run(WORKSPACE, &own.public_key(), start, run.clone()).is_ok());
        let mut again = written.run().clone();
        signer.sign(&mut again).unwrap();
        assert_eq!(again, run, "for the next peer it is the same");
    }

    #[test]
    fn what_something_else_wrote_into_the_own_log_is_not_signed() {
        let own = key(1);
        let last = Cell::new(None);
        let signer = Signer { key: &own, workspace: WORKSPACE, last: &last };
        for at in [0, 31, 32, 50] {
            let mut run = written(&own, 100).1.run().clone();
            run.bytes[at] ^= 1;
            assert!(signer.sign(&mut run).is_err(), "entry byte {at}");
        }
        for at in 0..HASH {
            let mut run = written(&own, 100).1.run().clone();
            run.seal.0[at] ^= 1;
            assert!(signer.sign(&mut run).is_err(), "seal byte {at}");
        }
        assert_eq!(last.get(), None);
    }

    #[test]
    fn a_due_checkpoint_is_signed_at_once() {
        let own = key(1);
        let (start, run) = written(&own, limits::BODY);
        assert!(run.end().checkpoint_due());
        assert!(verify_run(WORKSPACE, &own.public_key(), start, run.run().clone()).is_ok());
    }
}
