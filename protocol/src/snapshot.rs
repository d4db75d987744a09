//! A local cache of the visible state, for fast opening; never sent to peers.
//!
//! Entities are kept in **pages** of about 20 KB. An entity stays in the page in which it was first
//! put, so an edit makes one page dirty, and however many edits fall on a page between two writes,
//! it is written once. A new entity goes to the page that is being filled; a page that edits have
//! made twice as large is split when it is written. Beside the pages stands one small **meta**
//! record: how far the state reaches in each chain. Indexes are not written but derived again.
//!
//! The log is the truth. Whatever is wrong with a page or record, the state is rebuilt from there.

use crate::{
    codec::{self, CodecError},
    id::WorkspaceId,
    model::{self, EntityKey, Kind},
    op::{Group, Op},
    store::{ChainNo, EntryAt},
    text::Splice,
    value::Value,
    workspace::{
        Chain, Workspace,
        entity::Entity,
        short_id::ShortIds,
        tree::{Place, Tree},
    },
};
use imbl::{OrdSet, Vector};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Bumped whenever the encoding of pages or meta changes: older caches are then rebuilt, and so are
/// those of programs with another [`model::SCHEMA`].
const FORMAT: u8 = 6;
/// Bytes at which a page is full.
const PAGE_BYTES: usize = 20 * 1024;

/// Names one page of a workspace's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PageNo(pub u32);

/// What changed since the last call of [`Workspace::take_pages`]. To be written all together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// Each replaces the page of the same number. About 20 KB, compressible.
    pub pages: Vec<(PageNo, Vec<u8>)>,
    /// Replaces the record without number: how far the pages reach in each chain, and small tables.
    pub meta: Vec<u8>,
}

/// Why a cached state cannot be used. The state is then rebuilt from the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Bytes that are not a page or meta record.
    #[error("the cached state cannot be read: {0}")]
    Codec(#[from] CodecError),
    /// Written by another version of this program.
    #[error("the cached state has format {found}, this program writes {FORMAT}")]
    Version {
        /// What it says.
        found: u8,
    },
    /// Written by a program that judged entries by another schema: what it knew as void or newer
    /// may be neither.
    #[error("the cached state was made by schema {found}, this program has {}", model::SCHEMA)]
    Schema {
        /// What it says.
        found: u8,
    },
    /// It belongs to another workspace.
    #[error("the cached state is that of workspace {0}")]
    OtherWorkspace(WorkspaceId),
    /// A page is missing.
    #[error("page {0} of the cached state is missing")]
    MissingPage(u32),
    /// A page that the meta record does not know or that came twice, or an entity in two pages.
    #[error("page {0} of the cached state does not fit the others")]
    ForeignPage(u32),
}

/// Which entities a page holds.
#[derive(Debug, Clone, Default)]
struct Page {
    members: Vec<EntityKey>,
    /// Encoded size: exact when last written, estimated for what was added since.
    bytes: usize,
}

/// Which page holds what, and which have to be written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pages: Vector<Arc<Page>>,
    dirty: OrdSet<u32>,
    /// Whether entries were applied since the last write that changed the meta record alone.
    meta_dirty: bool,
}

impl Layout {
    /// Finds room for a new entity that starts with these operations.
    pub fn place(&mut self, key: EntityKey, group: &Group) -> PageNo {
        let full = self.pages.back().is_none_or(|page| page.bytes >= PAGE_BYTES);
        if full {
            self.pages.push_back(Arc::default());
        }
        if let Some(page) = self.pages.back_mut() {
            let page = Arc::make_mut(page);
            page.members.push(key);
            page.bytes += 32 + group.ops.iter().map(estimate).sum::<usize>();
        }
        PageNo(self.pages.len().saturating_sub(1) as u32)
    }

    /// The page has to be written.
    pub fn mark(&mut self, page: PageNo) {
        if !self.dirty.contains(&page.0) {
            self.dirty.insert(page.0);
        }
    }

    /// The meta record has to be written.
    pub fn mark_meta(&mut self) {
        self.meta_dirty = true;
    }
}

/// About how many bytes an operation adds to a page.
fn estimate(op: &Op) -> usize {
    const REGISTER: usize = 28;
    match op {
        Op::Set { value: Value::Text(text), .. } => REGISTER + text.len(),
        Op::Set { .. } => REGISTER + 12,
        Op::Edit { splices, .. } => REGISTER + splices.iter().map(Splice::bytes).sum::<usize>(),
        Op::Delete { lists } => REGISTER + 10 * lists.len(),
    }
}

#[derive(Serialize, Deserialize)]
struct Meta {
    workspace: WorkspaceId,
    revision: u64,
    newer_entries: u64,
    chains: Vec<(ChainNo, Chain)>,
    locked: Vec<(EntryAt, u64)>,
    pages: u32,
}

impl Workspace {
    /// Whether there is anything to write.
    pub fn has_dirty(&self) -> bool {
        self.layout.meta_dirty || !self.layout.dirty.is_empty()
    }

    /// About how many bytes [`Self::take_pages`] would return.
    pub fn dirty_bytes(&self) -> usize {
        let size = |number: &u32| self.layout.pages.get(*number as usize).map_or(0, |page| page.bytes);
        self.layout.dirty.iter().map(size).sum()
    }

    /// The pages that changed since the last call, and the meta record. The state then counts as
    /// written: if writing fails, the cache must not be used any more.
    pub fn take_pages(&mut self) -> Pages {
        let mut pages = Vec::new();
        for number in std::mem::take(&mut self.layout.dirty) {
            self.write_page(PageNo(number), &mut pages);
        }
        self.layout.meta_dirty = false;
        Pages { pages, meta: self.write_meta() }
    }

    fn write_meta(&self) -> Vec<u8> {
        if self.is_behind {
            // No format: whoever reads this makes the state anew from the log.
            return Vec::new();
        }
        let mut bytes = vec![FORMAT, model::SCHEMA];
        let meta = Meta {
            workspace: self.id,
            revision: self.revision,
            newer_entries: self.newer_entries,
            chains: self.chains.iter().map(|(number, chain)| (*number, *chain)).collect(),
            locked: self.locked.iter().map(|(first, last)| (*first, *last)).collect(),
            pages: self.layout.pages.len() as u32,
        };
        codec::encode_into(&meta, &mut bytes);
        bytes
    }

    /// Encodes one page, and further new ones if it has grown too large for one.
    fn write_page(&mut self, number: PageNo, pages: &mut Vec<(PageNo, Vec<u8>)>) {
        let Some(page) = self.layout.pages.get(number.0 as usize) else { return };
        let mut parts: Vec<(Page, Vec<u8>)> = vec![<(Page, Vec<u8>)>::default()];
        let mut bytes = Vec::new();
        for (key, entity) in page.members.iter().filter_map(|key| Some((key, self.entities.get(key)?))) {
            bytes.clear();
            codec::encode_into(&(key, &**entity), &mut bytes);
            if parts
                .last()
                .is_none_or(|(_, part)| !part.is_empty() && part.len() + bytes.len() > 2 * PAGE_BYTES)
            {
                parts.push(Default::default());
            }
            if let Some((page, part)) = parts.last_mut() {
                page.members.push(*key);
                part.extend_from_slice(&bytes);
                page.bytes = part.len();
            }
        }
        for (index, (page, bytes)) in parts.into_iter().enumerate() {
            pages.push((self.keep_page(if index == 0 { Some(number) } else { None }, page), bytes));
        }
    }

    /// Notes what a page holds now; a new page moves its entities.
    fn keep_page(&mut self, number: Option<PageNo>, page: Page) -> PageNo {
        if let Some(number) = number {
            self.layout.pages.set(number.0 as usize, Arc::new(page));
            return number;
        }
        let number = PageNo(self.layout.pages.len() as u32);
        for key in &page.members {
            if let Some(entity) = self.entities.get_mut(key) {
                Arc::make_mut(entity).page = number;
            }
        }
        self.layout.pages.push_back(Arc::new(page));
        number
    }

    /// The state as it was when the pages were taken; entries after [`Workspace::applied`] of each
    /// chain are to be applied by the caller.
    pub fn from_pages(
        id: WorkspaceId,
        meta: &[u8],
        pages: impl IntoIterator<Item = (PageNo, Vec<u8>)>,
    ) -> Result<Self, SnapshotError> {
        let meta = read_meta(id, meta)?;
        let mut workspace = Self::new(id);
        workspace.revision = meta.revision;
        workspace.newer_entries = meta.newer_entries;
        workspace.chains = meta.chains.into_iter().collect();
        workspace.locked = meta.locked.into_iter().collect();
        let mut entities = workspace.read_pages(meta.pages, pages)?;
        entities.sort_unstable_by_key(|(key, _)| *key);
        if let Some([(_, entity), _]) = entities.array_windows().find(|[(a, _), (b, _)]| a == b) {
            return Err(SnapshotError::ForeignPage(entity.page.0));
        }
        workspace.entities = entities.into_iter().collect();
        workspace.derive();
        Ok(workspace)
    }

    fn read_pages(
        &mut self,
        count: u32,
        pages: impl IntoIterator<Item = (PageNo, Vec<u8>)>,
    ) -> Result<Vec<(EntityKey, Arc<Entity>)>, SnapshotError> {
        // Grows with what is there, whatever a damaged count says.
        let mut read: BTreeMap<u32, Page> = BTreeMap::new();
        let chains = &self.chains;
        let origin = |chain| chains.get(&chain).map(|chain: &Chain| &chain.origin);
        let mut entities = Vec::new();
        for (number, bytes) in pages {
            if number.0 >= count || read.contains_key(&number.0) {
                return Err(SnapshotError::ForeignPage(number.0));
            }
            let start = entities.len();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let ((key, mut entity), used): ((EntityKey, Entity), usize) = codec::decode_local(rest)?;
                rest = rest.get(used..).unwrap_or_default();
                entity.page = number;
                entity.open(key.kind, origin);
                entities.push((key, Arc::new(entity)));
            }
            let members = entities.iter().skip(start).map(|(key, _)| *key).collect();
            read.insert(number.0, Page { members, bytes: bytes.len() });
        }
        for number in 0..count {
            let page = read.remove(&number).ok_or(SnapshotError::MissingPage(number))?;
            self.layout.pages.push_back(Arc::new(page));
        }
        Ok(entities)
    }

    /// Builds every index from the entities.
    fn derive(&mut self) {
        let places: Vec<(EntityKey, Place)> =
            self.entities.iter().map(|(key, entity)| (*key, Place::of(key.kind, entity))).collect();
        self.deleted = places.iter().filter(|(_, place)| place.deleted).map(|(key, _)| *key).collect();
        self.tree = Tree::new(places.into_iter());
        self.cut_cycles();
        let tasks = self.entities.keys().filter(|key| key.kind == Kind::Task).map(|key| key.id);
        self.short_ids = ShortIds::new(tasks.flat_map(|id| self.short_ids(id).map(move |text| (text, id))));
        let may_conflict = self.entities.iter().filter(|(_, entity)| entity.may_conflict());
        let keys: Vec<EntityKey> = may_conflict.map(|(key, _)| *key).collect();
        let cut: Vec<EntityKey> = self.tree.cut().map(|task| EntityKey::new(Kind::Task, task)).collect();
        for key in keys.into_iter().chain(cut) {
            self.recount_conflicts(key);
        }
    }
}

/// Up to where each chain is applied in a saved state, by its meta record alone.
pub fn reached(id: WorkspaceId, meta: &[u8]) -> Result<impl Fn(ChainNo) -> u64 + use<>, SnapshotError> {
    let chains: BTreeMap<ChainNo, Chain> = read_meta(id, meta)?.chains.into_iter().collect();
    Ok(move |chain| chains.get(&chain).map_or(0, |chain| chain.applied))
}

fn read_meta(id: WorkspaceId, bytes: &[u8]) -> Result<Meta, SnapshotError> {
    let (found, rest) = bytes.split_first().unwrap_or((&0, &[]));
    if *found != FORMAT {
        return Err(SnapshotError::Version { found: *found });
    }
    let (found, rest) = rest.split_first().unwrap_or((&0, &[]));
    if *found != model::SCHEMA {
        return Err(SnapshotError::Schema { found: *found });
    }
    let (meta, _): (Meta, usize) = codec::decode_local(rest)?;
    if meta.workspace != id {
        return Err(SnapshotError::OtherWorkspace(meta.workspace));
    }
    Ok(meta)
}
