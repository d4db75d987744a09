//! The entries that a cheat makes: each a real one with something wrong.

use super::{Cheat, Forged, Scene};
use crate::{
    access::Role,
    codec,
    control::{CONTROL_VERSION, Cap, Grant, Invite, Link, Revoke, Unlink},
    crypto::LinkCert,
    id::{EntityId, EntryId, PersonId},
    keys::{
        epoch::{KEYS_VERSION, KeyShare, Older, OlderKey},
        ring::Rotation,
        secret::{Commitment, SealedKey},
        wrap::{ReceivingKey, RecipientKey, Wrap, wrap},
    },
    log::EntryKind,
    model::{self, ALIVE, EntityKey, Kind},
    op::{DataBody, Group, Op},
    value::Value,
};
use std::collections::BTreeSet;

/// A control kind that nobody knows.
const NEWER: EntryKind = EntryKind(20);

impl Cheat {
    /// Something wrong, and its name.
    pub(super) fn forge(&mut self, scene: &mut Scene<'_>) -> (&'static str, Forged) {
        if scene.state.roster().role_of(self.identity.person).is_none() && scene.dice.chance(100) {
            return ("cheat that is out writes of a newer version", Forged::plain(NEWER, vec![2]));
        }
        match scene.dice.below(100) {
            0..20 => ("cheat takes rights it has not", self.control(scene)),
            20..27 => ("cheat writes garbage control", garbage_control(scene)),
            27..32 => {
                let chain = scene.dice.pick(scene.others).map(|other| other.chain.clone());
                let link = Link { version: CONTROL_VERSION, chain: chain.unwrap_or_default() };
                ("cheat links somebody's device", Forged::control(EntryKind::LINK, &link))
            }
            32..36 => ("cheat links a made-up device", self.made_up_device(scene)),
            36..50 => ("cheat wraps garbage", self.epoch(scene)),
            50..60 => ("cheat shares garbage", self.share(scene)),
            60..70 => ("cheat writes a body that does not open", {
                let body = scene.dice.bytes().repeat(2);
                let epoch = self.any_epoch(scene);
                Forged { kind: EntryKind::DATA, body, epoch, seal: false }
            }),
            70..76 => {
                let (body, epoch) = (task(scene), self.any_epoch(scene).filter(|_| scene.dice.chance(500)));
                ("cheat writes in plain", Forged { kind: EntryKind::DATA, body, epoch, seal: false })
            }
            76..80 => {
                let body = scene.dice.bytes().to_vec();
                let epoch = Some(EntryId(scene.dice.bytes()));
                ("cheat makes an epoch up", Forged { kind: EntryKind::DATA, body, epoch, seal: false })
            }
            _ => {
                let held: Vec<EntryId> =
                    scene.found.epochs.iter().copied().filter(|epoch| scene.ring.holds(*epoch)).collect();
                let epoch = scene.dice.pick(&held).copied();
                (
                    "cheat writes under a key",
                    Forged { kind: EntryKind::DATA, body: task(scene), epoch, seal: true },
                )
            }
        }
    }

    fn any_epoch(&self, scene: &mut Scene<'_>) -> Option<EntryId> {
        let own: Vec<EntryId> = self.epochs.iter().map(|(id, _)| *id).collect();
        if scene.dice.chance(300) {
            scene.dice.pick(&own).copied()
        } else {
            scene.dice.pick(&scene.found.epochs).copied()
        }
    }

    fn control(&self, scene: &mut Scene<'_>) -> Forged {
        let version = CONTROL_VERSION;
        let people: Vec<PersonId> = scene.others.iter().map(|other| other.person).collect();
        let subject = scene.dice.pick(&people).copied().unwrap_or(self.identity.person);
        let role = scene.dice.pick(&Role::ALL).copied().unwrap_or(Role::Owner);
        match scene.dice.below(6) {
            0 => {
                let subject = self.identity.person;
                Forged::control(EntryKind::GRANT, &Grant { version, subject, role })
            }
            1 => Forged::control(EntryKind::GRANT, &Grant { version, subject, role }),
            2 => {
                let role = Some(role).filter(|_| scene.dice.chance(400));
                Forged::control(EntryKind::CAP, &Cap { version, subject, role })
            }
            3 => {
                let (key, seed) = (scene.key().public(), scene.dice.bytes());
                let receiving = ReceivingKey::from_seed(&seed).public();
                let invite =
                    Invite { version, key, receiving, role, expires_ms: u64::MAX, single_use: false };
                Forged::control(EntryKind::INVITE, &invite)
            }
            4 => {
                let invite = scene.dice.pick(&scene.found.invites).copied().unwrap_or(EntryId([0; 32]));
                Forged::control(EntryKind::REVOKE, &Revoke { version, invite })
            }
            _ => {
                let device = scene.dice.pick(scene.others).unwrap_or(&self.identity).device_id();
                Forged::control(EntryKind::UNLINK, &Unlink { version, device })
            }
        }
    }

    fn made_up_device(&self, scene: &mut Scene<'_>) -> Forged {
        let (device, receiving) = (scene.key(), ReceivingKey::from_seed(&scene.dice.bytes()));
        let (person, parent) = (self.identity.person, &self.identity.device);
        let link = LinkCert::issue(person, parent, &device, receiving.public().0);
        let chain = [&self.identity.chain[..], &[link]].concat();
        Forged::control(EntryKind::LINK, &Link { version: CONTROL_VERSION, chain })
    }

    /// A new epoch for everybody, whose key some are given wrongly.
    fn epoch(&mut self, scene: &mut Scene<'_>) -> Forged {
        let everybody = recipients(scene);
        let Rotation { key, mut body } = scene.ring.rotate(&everybody, &mut self.rng);
        for (to, wrapped) in &mut body.wraps {
            match scene.dice.below(10) {
                0..2 => *wrapped = garbage(scene),
                2 => {
                    let other = crate::keys::secret::EpochKey::from_bytes(scene.dice.bytes());
                    if let Ok(wrong) = wrap(&other, self.workspace, *to, &mut self.rng) {
                        *wrapped = wrong;
                    }
                }
                _ => {}
            }
        }
        for older in &mut body.older {
            match scene.dice.below(6) {
                0 => older.key = None,
                1 => older.key = Some(false_key(scene)),
                _ => {}
            }
        }
        if scene.dice.chance(100) {
            body.older = vec![Older { epoch: EntryId(scene.dice.bytes()), key: Some(false_key(scene)) }];
        }
        if scene.dice.chance(150) {
            body.commitment = Commitment(scene.dice.bytes());
        } else {
            self.epochs.push((EntryId([0; 32]), key));
        }
        Forged::control(EntryKind::KEY_EPOCH, &body)
    }

    fn share(&mut self, scene: &mut Scene<'_>) -> Forged {
        let epoch = self.any_epoch(scene).unwrap_or(EntryId([1; 32]));
        let to: Vec<RecipientKey> =
            recipients(scene).into_iter().filter(|_| scene.dice.chance(300)).collect();
        let mut wraps: Vec<(RecipientKey, Wrap)> = to.into_iter().map(|to| (to, garbage(scene))).collect();
        if scene.dice.chance(500) {
            // To somebody whom nobody knows.
            wraps.push((ReceivingKey::from_seed(&scene.dice.bytes()).public(), garbage(scene)));
            wraps.sort_unstable_by_key(|(to, _)| *to);
        }
        let body = KeyShare { version: KEYS_VERSION, epoch, wraps };
        Forged::control(EntryKind::KEY_SHARE, &body)
    }
}

fn recipients(scene: &Scene<'_>) -> BTreeSet<RecipientKey> {
    scene.others.iter().flat_map(|other| [other.receiving.public(), other.recovery.key]).collect()
}

fn garbage(scene: &mut Scene<'_>) -> Wrap {
    Wrap { enc: scene.dice.bytes(), key: sealed(scene) }
}

fn sealed(scene: &mut Scene<'_>) -> SealedKey {
    let mut tag = [0; 16];
    tag.copy_from_slice(&scene.dice.bytes()[..16]);
    SealedKey { text: scene.dice.bytes(), tag }
}

fn false_key(scene: &mut Scene<'_>) -> OlderKey {
    OlderKey { commitment: Commitment(scene.dice.bytes()), sealed: sealed(scene) }
}

/// A control entry that is none. Its first byte says that it is of this version.
fn garbage_control(scene: &mut Scene<'_>) -> Forged {
    let kind = EntryKind(1 + scene.dice.below(11) as u8);
    let mut body = scene.dice.bytes().to_vec();
    body.truncate(scene.dice.below(33) as usize);
    body.insert(0, CONTROL_VERSION);
    Forged::plain(kind, body)
}

/// A task that tells of itself, and names nothing.
fn task(scene: &mut Scene<'_>) -> Vec<u8> {
    let mut id = [0; 16];
    id.copy_from_slice(&scene.dice.bytes()[..16]);
    let tasks: Vec<EntityId> = scene.state.shown(Kind::Task).collect();
    let id = scene.dice.pick(&tasks).copied().filter(|_| scene.dice.chance(500)).unwrap_or(EntityId(id));
    let key = EntityKey::new(Kind::Task, id);
    let title = model::task::TITLE.into();
    // Half of them end what others wrote.
    let live = scene.state.live(key, &title);
    let replaces: Vec<_> = live.iter().map(|live| live.op).filter(|_| scene.dice.chance(500)).collect();
    let ops = vec![
        Op::Set { slot: ALIVE.field.into(), value: Value::Bool(true), replaces: Vec::new() },
        Op::Set { slot: title, value: Value::text("cheated"), replaces },
    ];
    codec::encode(&DataBody::new(vec![Group { key, ops }]))
}
