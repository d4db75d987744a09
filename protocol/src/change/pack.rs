//! Operations into bodies of entries.

use crate::{
    codec, limits,
    model::Kind,
    op::{Group, Op},
};

/// What a body is filled to. A checkpoint is due every [`limits::CHECKPOINT_BYTES`]: with four
/// bodies between two, headers and ids cost below one percent of a bulk import, and an entry stays
/// far from the bound. One operation may be larger than this and then has a body of its own.
const TARGET: usize = 6 * 1024;
/// Version, transaction, what it reverts, and the number of groups.
const BODY_FRAME: usize = 32;
/// A group's entity and number of operations.
const GROUP_FRAME: usize = 24;

/// Divides operations into bodies, in order. Each stays below [`limits::BODY`] and
/// [`limits::OPS_PER_ENTRY`], and holds either profiles only or none, since those go into entries
/// of another kind. A group is split only if it is larger than a body should be. Linear time.
///
/// No groups make no body; who needs an empty entry writes it without this.
pub fn pack(groups: Vec<Group>) -> Vec<Vec<Group>> {
    let mut packer = Packer::default();
    for group in groups {
        packer.add(group);
    }
    packer.close();
    packer.bodies
}

#[derive(Default)]
struct Packer {
    bodies: Vec<Vec<Group>>,
    open: Vec<Group>,
    bytes: usize,
    ops: usize,
}

impl Packer {
    fn add(&mut self, group: Group) {
        let sizes: Vec<usize> = group.ops.iter().map(|op| codec::encode(op).len()).collect();
        let whole = GROUP_FRAME + sizes.iter().sum::<usize>();
        let other_kind = self
            .open
            .last()
            .is_some_and(|open| (open.key.kind == Kind::Profile) != (group.key.kind == Kind::Profile));
        let fits_a_body = whole <= TARGET && sizes.len() <= limits::OPS_PER_ENTRY;
        if other_kind || fits_a_body && !self.has_room(whole, sizes.len()) {
            self.close();
        }
        let mut part = Group { key: group.key, ops: Vec::new() };
        self.bytes += GROUP_FRAME;
        for (op, size) in group.ops.into_iter().zip(sizes) {
            if !self.has_room(size, 1) && self.ops > 0 {
                self.push(&mut part);
                self.close();
                self.bytes += GROUP_FRAME;
            }
            self.take(&mut part, op, size);
        }
        self.push(&mut part);
    }

    fn has_room(&self, bytes: usize, ops: usize) -> bool {
        BODY_FRAME + self.bytes + bytes <= TARGET && self.ops + ops <= limits::OPS_PER_ENTRY
    }

    fn take(&mut self, part: &mut Group, op: Op, size: usize) {
        part.ops.push(op);
        self.bytes += size;
        self.ops += 1;
    }

    fn push(&mut self, part: &mut Group) {
        if !part.ops.is_empty() {
            self.open.push(Group { key: part.key, ops: std::mem::take(&mut part.ops) });
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.bodies.push(std::mem::take(&mut self.open));
        }
        (self.bytes, self.ops) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::EntityId,
        model::{EntityKey, task},
        op::DataBody,
        value::Value,
    };

    fn group(kind: Kind, id: u32, ops: usize, chars: usize) -> Group {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&id.to_be_bytes());
        let op = Op::Set {
            slot: task::DESCRIPTION.into(),
            value: Value::text("x".repeat(chars)),
            replaces: Vec::new(),
        };
        Group { key: EntityKey::new(kind, EntityId(bytes)), ops: vec![op; ops] }
    }

    fn flat(groups: &[Group]) -> Vec<(EntityKey, &Op)> {
        groups.iter().flat_map(|group| group.ops.iter().map(|op| (group.key, op))).collect()
    }

    fn pack_and_check(groups: &[Group]) -> Vec<Vec<Group>> {
        let bodies = pack(groups.to_vec());
        for body in &bodies {
            let bytes = codec::encode(&DataBody::new(body.clone()));
            assert!(bytes.len() <= limits::BODY, "{}", bytes.len());
            assert!(DataBody::read(&bytes).is_ok());
        }
        let packed: Vec<_> = bodies.iter().flat_map(|body| flat(body)).collect();
        assert_eq!(packed, flat(groups), "every operation once, in order");
        bodies
    }

    #[test]
    fn small_groups_stay_whole_and_fill_bodies() {
        let bodies = pack_and_check(&(0..1_000).map(|id| group(Kind::Task, id, 3, 40)).collect::<Vec<_>>());
        assert!(bodies.iter().flatten().all(|group| group.ops.len() == 3));
        assert!(bodies.len() < 35, "{}", bodies.len());
    }

    #[test]
    fn large_groups_are_split_and_large_operations_stand_alone() {
        let bodies = pack_and_check(&[group(Kind::Task, 1, 5, 24 * 1024), group(Kind::Task, 2, 1, 1)]);
        assert_eq!(bodies.len(), 6);
        let bodies = pack_and_check(&[group(Kind::Task, 1, 10_000, 1)]);
        assert!(bodies.iter().all(|body| body.len() == 1));
    }

    #[test]
    fn profiles_stand_in_bodies_of_their_own() {
        let kinds = [Kind::Workspace, Kind::Profile, Kind::Profile, Kind::Task];
        let bodies = pack_and_check(&kinds.map(|kind| group(kind, 1, 1, 1)));
        assert_eq!(bodies.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1]);
    }

    #[test]
    fn nothing_makes_no_body() {
        assert_eq!(pack(Vec::new()), Vec::<Vec<Group>>::new());
    }
}
