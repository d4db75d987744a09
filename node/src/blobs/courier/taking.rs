//! How a relay takes what it is offered: without knowing what it is.
//!
//! A manifest can be read without a key. So a relay fetches an attachment as any device does, the manifest and
//! then the parts that it names, and checks each by its hash. It keeps what fits into the room that its operator
//! gives the workspace; what nobody has offered for a month gives way to that, and nothing else is dropped.

use super::{Courier, Key, Turn, known};
use crate::{blobs::store::BlobError, net::AskId};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use velo_protocol::{
    blob::{Answer, Known, Manifest, Offer, Offered, Uptake},
    id::{BlobId, DeviceId, WorkspaceId},
    limits,
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Taking {
    /// When what is whole was last noted as offered.
    renewed: BTreeMap<Key, u64>,
    /// How many bytes of blobs may be kept of a workspace, as it was when something was last offered.
    rooms: BTreeMap<WorkspaceId, u64>,
    /// When it was last looked for what may give way.
    looked: BTreeMap<WorkspaceId, u64>,
}

impl Taking {
    /// The workspace is here no more.
    pub fn part_with(&mut self, workspace: WorkspaceId) {
        let Self { renewed, rooms, looked } = self;
        renewed.retain(|(of, _), _| *of != workspace);
        rooms.remove(&workspace);
        looked.remove(&workspace);
    }
}

impl Courier {
    /// A peer that is in offers attachments.
    pub(super) fn take_offer(&mut self, peer: DeviceId, id: AskId, offer: &Offer, room: Option<u64>) {
        self.taking.rooms.remove(&offer.workspace);
        if let Some(room) = room {
            self.taking.rooms.insert(offer.workspace, room);
        }
        let uptakes = offer.attachments.iter().map(|offered| self.uptake(peer, offer.workspace, *offered));
        let uptakes = uptakes.collect();
        let fetches = &self.fetches;
        self.sizes.retain(|key, _| fetches.is_wanted(*key));
        if let Some(net) = &self.net {
            net.answer_blob(id, Answer::Offered(uptakes));
        }
    }

    fn uptake(&mut self, peer: DeviceId, workspace: WorkspaceId, offered: Offered) -> Uptake {
        let uptake = self.try_uptake(peer, (workspace, offered.manifest), offered.size);
        uptake.unwrap_or_else(|error| {
            tracing::warn!(%error, "what is kept of attachments cannot be looked at; it is offered again later");
            Uptake::Later
        })
    }

    fn try_uptake(&mut self, peer: DeviceId, key: Key, size: u64) -> Result<Uptake, BlobError> {
        let now_ms = self.now_ms();
        let renewed = self.taking.renewed.get(&key);
        if renewed.is_some_and(|at| now_ms < at + limits::OFFER_RENEW_MS / 2) {
            return Ok(Uptake::Here);
        }
        let Some(store) = self.holdings.get(&key.0).map(|holding| holding.store.clone()) else {
            return Ok(Uptake::Later);
        };
        let known = known(&store, key.1)?;
        if let Some(Known { manifest, missing }) = &known
            && missing.is_empty()
        {
            store.renew(&[&[key.1], manifest.blobs()].concat())?;
            self.taking.renewed.insert(key, now_ms);
            return Ok(Uptake::Here);
        }
        if self.halted_until.is_some() {
            return Ok(Uptake::Later);
        }
        if size > limits::ATTACHMENT_BYTES || !self.has_room(key, needs(known.as_ref(), size))? {
            self.fetches.unwant(key);
            return Ok(Uptake::NoRoom);
        }
        let is_taken = self.fetches.take_offer(peer, key, known);
        if is_taken {
            self.sizes.insert(key, size);
        }
        Ok(if is_taken { Uptake::Wanted } else { Uptake::Later })
    }

    /// Whether all that a manifest names is to be fetched, which has come because somebody offered it.
    pub(super) fn wants_all_of(&mut self, key: Key, manifest: &[u8]) -> bool {
        let fits = Manifest::decode(manifest).ok().map(|manifest| {
            let parts = Manifest::parts(manifest.size());
            self.has_room(key, (parts + 1) * limits::BLOB as u64).unwrap_or(false)
        });
        if fits != Some(true) {
            tracing::debug!(manifest = %key.1.short(), ?fits, "what was offered is not taken");
        }
        fits == Some(true)
    }

    /// The manifest of what was offered is here: now its parts are fetched.
    pub(super) fn learn(&mut self, key: Key) {
        let known = self.holdings.get(&key.0).map(|holding| known(&holding.store, key.1));
        match known {
            Some(Ok(known @ Some(_))) => _ = self.fetches.learn(key, known),
            _ => self.fetches.unwant(key),
        }
    }

    /// Whether so many bytes more of a workspace may be kept, beside what is being fetched already.
    fn has_room(&mut self, key: Key, need: u64) -> Result<bool, BlobError> {
        let (workspace, now_ms) = (key.0, self.now_ms());
        let Some(room) = self.taking.rooms.get(&workspace).copied() else { return Ok(true) };
        let Some(store) = self.holdings.get(&workspace).map(|holding| holding.store.clone()) else {
            return Ok(false);
        };
        let others = self.fetches.offered_of(workspace).filter(|(manifest, _)| *manifest != key.1);
        let coming: u64 = others.map(|(manifest, lacks)| self.coming(workspace, manifest, lacks)).sum();
        let over = (store.bytes()? + coming + need).saturating_sub(room);
        if over == 0 {
            return Ok(true);
        }
        let looked = self.taking.looked.get(&workspace);
        if looked.is_some_and(|at| now_ms < at + limits::OFFER_STALE_LOOK_MS) {
            return Ok(false);
        }
        self.taking.looked.insert(workspace, now_ms);
        let before = SystemTime::now() - Duration::from_millis(limits::OFFER_KEPT_MS);
        let freed = store.drop_stale(before, over)?;
        if freed > 0 {
            tracing::info!(workspace = %workspace.short(), freed, "attachments that nobody offered for a month gave way");
            self.tell_kept(workspace);
        }
        Ok(freed >= over)
    }

    /// The most that an attachment takes that is being fetched.
    fn coming(&self, workspace: WorkspaceId, manifest: BlobId, lacks: Option<usize>) -> u64 {
        let size = self.sizes.get(&(workspace, manifest)).copied().unwrap_or(0);
        lacks.map_or_else(|| needs(None, size), |parts| (parts * limits::BLOB) as u64)
    }

    /// Says how much this relay keeps of a workspace.
    pub(super) fn tell_kept(&self, workspace: WorkspaceId) {
        let Some(holding) = self.holdings.get(&workspace) else { return };
        match holding.store.bytes() {
            Ok(bytes) => {
                let label = workspace.short();
                metrics::gauge!("velo_carried_blob_bytes", "workspace" => label).set(bytes as f64);
                self.tell(Turn::Keeps { workspace, bytes });
            }
            Err(error) => tracing::warn!(%error, "what is kept of attachments cannot be counted"),
        }
    }
}

/// The most that the rest of an attachment takes. Each part counts as a whole blob, whatever its author made.
fn needs(known: Option<&Known>, size: u64) -> u64 {
    let parts = known.map_or_else(|| Manifest::parts(size) + 1, |known| known.missing.len() as u64);
    parts * limits::BLOB as u64
}
