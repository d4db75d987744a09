//! Many live values of one register.
//!
//! Nobody makes them by working; somebody may by malice, or by a program gone wrong. Whatever is
//! done with one value, to put it in its place, take it out, mark it, or learn whether all agree,
//! then costs a few steps in a tree instead of a walk past all of them.

use super::{Live, Rank};
use crate::{codec, id::OpId, log::Origin, store::ChainNo, time::Hlc, value::Value};
use imbl::{OrdMap, OrdSet};
use std::cmp::Reverse;

/// Where a value stands, the one to be shown first: whether it is a present element, its stamp, its
/// operation.
type Seat = Reverse<(bool, Hlc, OpId)>;

/// A value, as far as it matters whether two are the same.
pub(super) type Digest = [u8; 16];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Crowd {
    /// Those of one seat are operations under one [`OpId`], which only one author, among his own
    /// entries and by great effort, can bring about: there is nearly always one.
    seats: OrdMap<Seat, Vec<Live>>,
    /// The seats by operation.
    seats_of: OrdSet<(OpId, bool, Hlc)>,
    /// How often each value is held.
    held: OrdMap<Digest, u32>,
    len: u32,
    unlisted: u32,
}

pub(super) fn digest(value: &Value) -> Digest {
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(&codec::encode(value)).as_bytes()[..16]);
    digest
}

impl Crowd {
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// How many of them no deletion saw.
    pub(super) fn unlisted(&self) -> u32 {
        self.unlisted
    }

    pub(super) fn differs(&self) -> bool {
        self.held.len() > 1
    }

    /// In rank order, the one that is shown first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Live> {
        self.seats.values().flatten()
    }

    pub(super) fn first(&self) -> Option<&Live> {
        self.seats.get_min().and_then(|(_, lives)| lives.first())
    }

    /// The values of one operation.
    pub(super) fn of(&self, op: OpId) -> impl Iterator<Item = &Live> {
        self.seats_of(op).into_iter().filter_map(|seat| self.seats.get(&seat)).flatten()
    }

    pub(super) fn insert<'a>(&mut self, live: Live, rank: &Rank<impl Fn(ChainNo) -> Option<&'a Origin>>) {
        let (present, hlc, op) = (rank.is_present(&live), live.hlc, live.op);
        self.len += 1;
        self.unlisted += u32::from(!live.listed);
        *self.held.entry(digest(&live.value)).or_insert(0) += 1;
        self.seats_of.insert((op, present, hlc));
        let seat = self.seats.entry(Reverse((present, hlc, op))).or_default();
        let place = seat.partition_point(|other| rank.cmp(other, &live).is_gt());
        seat.insert(place, live);
    }

    fn seats_of(&self, op: OpId) -> Vec<Seat> {
        let of = |op| (op, false, Hlc(0))..=(op, true, Hlc(u64::MAX));
        self.seats_of.range(of(op)).map(|(op, present, hlc)| Reverse((*present, *hlc, *op))).collect()
    }

    pub(super) fn remove(&mut self, op: OpId) {
        for seat in self.seats_of(op) {
            let Reverse((present, hlc, _)) = seat;
            self.seats_of.remove(&(op, present, hlc));
            for live in self.seats.remove(&seat).unwrap_or_default() {
                self.len -= 1;
                self.unlisted -= u32::from(!live.listed);
                self.forget(digest(&live.value));
            }
        }
    }

    fn forget(&mut self, value: Digest) {
        match self.held.get_mut(&value) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = self.held.remove(&value),
        }
    }

    /// Marks a value as seen by a deletion. How many were not marked before.
    pub(super) fn list(&mut self, op: OpId) -> u32 {
        let mut marked = 0;
        for seat in self.seats_of(op) {
            for live in self.seats.get_mut(&seat).into_iter().flatten().filter(|live| !live.listed) {
                live.listed = true;
                marked += 1;
            }
        }
        self.unlisted -= marked;
        marked
    }

    /// The values, for a shorter list.
    pub(super) fn into_vec(self) -> Vec<Live> {
        self.seats.into_iter().flat_map(|(_, lives)| lives).collect()
    }
}
