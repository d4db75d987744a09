//! The private workspace of a person: shared by all of their devices, and with nobody else.
//!
//! It is a workspace like any other. What is special is its beginning: the root itself founds it, with
//! a first entry in which nothing is left to chance. So whoever holds the root can make that entry
//! again, and finds the same workspace; a device that has the root only for a moment keeps the entry.
//!
//! In it stands what is about other workspaces and is nobody else's business ([`personal`]): which
//! there are, favourites, what was read, comments not finished, views. All of one thing is one
//! entity, see [`About`].

use crate::{
    change::Change,
    codec,
    control::{CONTROL_VERSION, Genesis, Introduction},
    founding::Founding,
    id::{DeviceId, EntityId, EntryId, Incarnation, PersonId, WorkspaceId},
    limits,
    log::{self, ChainEnd, EntryKind, Header, Origin, Run, RunWriter},
    model::{self, EntityKey, Field, Kind, Slot, personal},
    root::Root,
    ticket::SessionSecret,
    time::Hlc,
    value::{Element, Value},
    workspace::Workspace,
};
use serde::{Deserialize, Serialize};

/// What a device keeps of its person's private workspace, to open it with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateWorkspace {
    /// Which.
    pub id: WorkspaceId,
    /// For authenticating to the person's other devices.
    pub secret: SessionSecret,
    /// The entry that founds it.
    pub genesis: Run,
}

impl PrivateWorkspace {
    /// Whether it can only be this person's: their root founded it.
    pub fn is_of(&self, person: PersonId) -> bool {
        let by_root = |origin: &Origin| origin.person == person && origin.device.0 == person.0;
        let origin = self.genesis.origin.filter(by_root);
        let is_one = |run: &Run| log::survey(&run.bytes).is_ok_and(|(count, _)| count == 1);
        let origin = origin.filter(|_| is_one(&self.genesis));
        let founding = origin.and_then(|origin| Founding::of(origin, self.genesis.clone()));
        // The seal is checked when the entry is taken into a log; the id is what tells others.
        founding.is_some_and(|founding| founding.confirms(self.id, &self.secret))
    }
}

impl Root {
    /// The person's private workspace: the same each time.
    ///
    /// # Panics
    /// Never: one small entry fits.
    #[expect(clippy::expect_used, reason = "see Panics above")]
    pub fn private_workspace(&self) -> PrivateWorkspace {
        let key = self.signing_key();
        let derived = blake3::derive_key("velo 2026 private workspace log", self.seed());
        let (incarnation, _) = derived.split_first_chunk().expect("32 bytes");
        let origin = Origin {
            person: self.person(),
            device: DeviceId(key.public()),
            incarnation: Incarnation(*incarnation),
            founder: true,
        };
        let founder = Introduction { chain: Vec::new(), recovery: self.recovery_key() };
        let secret = SessionSecret(blake3::derive_key("velo 2026 private workspace secret", self.seed()));
        let session = secret.commitment();
        let body = codec::encode(&Genesis { version: CONTROL_VERSION, founder, session });
        let header =
            Header { body_len: body.len() as u32, ..Header::new(EntryKind::GENESIS, Hlc(0), Vec::new()) };
        let id = origin.workspace_id(&codec::encode(&header), &body);
        let log = origin.log_id(id);
        let mut writer = RunWriter::new(log, origin, ChainEnd::start(log));
        writer.push(header, &body).expect("it is small");
        let genesis = writer.seal(id, &key).expect("an entry was written").run().clone();
        PrivateWorkspace { id, secret, genesis }
    }
}

/// What something kept privately is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// The workspace in which it stands.
    pub workspace: WorkspaceId,
    /// What.
    pub entity: EntityKey,
}

impl About {
    /// A workspace itself.
    pub fn workspace(workspace: WorkspaceId) -> Self {
        let entity = EntityKey::new(Kind::Workspace, model::workspace::entity_of(workspace));
        Self { workspace, entity }
    }

    /// Something in a workspace.
    pub const fn entity(workspace: WorkspaceId, entity: EntityKey) -> Self {
        Self { workspace, entity }
    }

    /// The entity of the private workspace that holds what is kept about it.
    pub fn key(&self) -> EntityKey {
        let mut hasher = blake3::Hasher::new_derive_key("velo 2026 what is kept privately");
        hasher.update(&self.workspace.0).update(&[self.entity.kind.into()]).update(&self.entity.id.0);
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        EntityKey::new(Kind::Personal, EntityId(id))
    }

    /// The change that keeps these values about it.
    pub fn keep<S: Into<Slot>>(&self, values: impl IntoIterator<Item = (S, Value)>) -> Change {
        let about = [
            (personal::WORKSPACE, Value::text(self.workspace.to_string())),
            (personal::KIND, Value::Int(u8::from(self.entity.kind).into())),
            (personal::ENTITY, Value::Entity(self.entity.id)),
        ];
        let about = about.map(|(field, value)| (Slot::from(field), value)).into_iter();
        let fields = about.chain(values.into_iter().map(|(slot, value)| (slot.into(), value)));
        Change::Create { key: self.key(), fields: fields.collect() }
    }

    /// What an entity of the private workspace is about. `None` if that cannot be read.
    fn read(private: &Workspace, key: EntityKey) -> Option<Self> {
        let value = |field: Field| private.value(key, &field.into());
        let workspace = value(personal::WORKSPACE)?.as_text()?.parse().ok()?;
        let kind = u8::try_from(value(personal::KIND)?.as_int()?).ok()?;
        let entity = EntityKey::new(kind.into(), value(personal::ENTITY)?.as_entity()?);
        let about = Self { workspace, entity };
        (about.key() == key).then_some(about)
    }
}

/// A workspace in which the person is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownWorkspace {
    /// Which.
    pub id: WorkspaceId,
    /// For authenticating to its peers.
    pub secret: SessionSecret,
    /// Where those may be reached.
    pub addresses: Vec<String>,
}

impl KnownWorkspace {
    /// The change that has the person's other devices take it in.
    pub fn keep(&self) -> Change {
        let secret = data_encoding::HEXLOWER.encode(&self.secret.0);
        About::workspace(self.id).keep([
            (personal::SECRET, Value::text(secret)),
            (personal::ADDRESSES, Value::text(self.addresses.join("\n"))),
        ])
    }

    /// What put the person out of a workspace, when it was taken off the list for that. Empty if it was taken
    /// off for another reason.
    pub fn out_by(private: &Workspace, id: WorkspaceId) -> Vec<EntryId> {
        let lines = private.text(About::workspace(id).key(), personal::OUT_BY).lines();
        let id = |line: &str| {
            let bytes = data_encoding::HEXLOWER.decode(line.as_bytes()).ok()?;
            Some(EntryId(bytes.try_into().ok()?))
        };
        lines.filter_map(id).collect()
    }

    /// Whether it was ever on the list, also if it was taken off.
    pub fn was_listed(private: &Workspace, id: WorkspaceId) -> bool {
        let key = About::workspace(id).key();
        !private.live(key, &personal::SECRET.into()).is_empty()
    }

    /// The change that takes it off the list, and says what put the person out of it if that is why. What else
    /// is kept about it stays.
    pub fn forget(&self, out_by: &[EntryId]) -> Change {
        let ids: Vec<_> =
            out_by.iter().take(limits::OUT_BY).map(|id| data_encoding::HEXLOWER.encode(&id.0)).collect();
        let out_by = if ids.is_empty() { Value::Unset } else { Value::text(ids.join("\n")) };
        About::workspace(self.id).keep([(personal::SECRET, Value::Unset), (personal::OUT_BY, out_by)])
    }

    fn read(private: &Workspace, about: About) -> Option<Self> {
        if about != About::workspace(about.workspace) {
            return None;
        }
        let key = about.key();
        let secret = data_encoding::HEXLOWER.decode(private.text(key, personal::SECRET).as_bytes()).ok()?;
        let addresses = private.text(key, personal::ADDRESSES).lines().map(str::to_owned).collect();
        Some(Self { id: about.workspace, secret: SessionSecret(secret.try_into().ok()?), addresses })
    }
}

/// Everything that something is kept about.
fn kept(private: &Workspace) -> impl Iterator<Item = About> + '_ {
    let keys = private.shown(Kind::Personal).map(|id| EntityKey::new(Kind::Personal, id));
    keys.filter_map(|key| About::read(private, key))
}

/// The workspaces that the person's devices know of, by id.
pub fn workspaces(private: &Workspace) -> Vec<KnownWorkspace> {
    let mut known: Vec<_> = kept(private).filter_map(|about| KnownWorkspace::read(private, about)).collect();
    known.sort_unstable_by_key(|known| known.id);
    known
}

/// The person's favourites, by what they are.
pub fn favourites(private: &Workspace) -> Vec<About> {
    let mut all: Vec<_> = kept(private).filter(|about| is_favourite(private, about)).collect();
    all.sort_unstable();
    all
}

/// Whether something is a favourite.
pub fn is_favourite(private: &Workspace, about: &About) -> bool {
    shown(private, about, personal::FAVOURITE).is_some_and(Value::is_true)
}

/// The stamp from which on comments in a workspace count as new: the least of those that devices which
/// did not know of each other noted. `None` before it was looked at.
pub fn read_to(private: &Workspace, about: &About) -> Option<Hlc> {
    let lives = private.live(about.key(), &personal::READ_TO.into());
    let stamps = lives.iter().filter_map(|live| u64::try_from(live.value.as_int()?).ok());
    stamps.min().map(Hlc)
}

/// Whether a comment on a task was read.
pub fn is_read(private: &Workspace, about: &About, comment: EntityId) -> bool {
    let slot = Slot::element(personal::READ, Element::Entity(comment));
    private.value(about.key(), &slot).is_some_and(Value::is_true)
}

/// The comment on a task that is not finished; empty if there is none.
pub fn draft<'a>(private: &'a Workspace, about: &About) -> &'a str {
    shown(private, about, personal::DRAFT).and_then(Value::as_text).unwrap_or_default()
}

/// The name of the view that a project was last looked at in; empty if that is not known.
pub fn view<'a>(private: &'a Workspace, about: &About) -> &'a str {
    shown(private, about, personal::VIEW).and_then(Value::as_text).unwrap_or_default()
}

fn shown<'a>(private: &'a Workspace, about: &About, field: Field) -> Option<&'a Value> {
    let key = about.key();
    private.value(key, &field.into()).filter(|_| private.is_shown(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_founds_the_same_private_workspace_each_time_and_no_other_does() {
        let (root, other) = (Root::from_seed([7; 32]), Root::from_seed([8; 32]));
        let private = root.private_workspace();
        assert_eq!(private, root.private_workspace());
        assert_ne!(private.id, other.private_workspace().id);
        assert_ne!(private.secret, other.private_workspace().secret);
        assert!(private.is_of(root.person()) && !private.is_of(other.person()));
        // Under a true entry no other workspace is hidden and told everything.
        let id = other.private_workspace().id;
        assert!(!PrivateWorkspace { id, ..private }.is_of(root.person()));
    }

    #[test]
    fn what_is_about_other_things_is_another_entity() {
        let workspace = Root::from_seed([7; 32]).private_workspace().id;
        let task = EntityKey::new(Kind::Task, EntityId([1; 16]));
        let project = EntityKey::new(Kind::Project, EntityId([1; 16]));
        let all =
            [About::workspace(workspace), About::entity(workspace, task), About::entity(workspace, project)];
        let ids: std::collections::BTreeSet<_> = all.iter().map(About::key).collect();
        assert_eq!(ids.len(), all.len());
    }
}
