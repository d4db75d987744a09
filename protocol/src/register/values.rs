//! The live values of a register, in the order of their rank.

use super::{Live, Rank, crowd::Crowd};
use crate::{id::OpId, limits, log::Origin, store::ChainNo};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeSeq};

/// Nearly always one, which then needs no allocation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) enum Values {
    One(Live),
    /// None, or at most [`limits::FEW`]; after reading, until [`Values::settle`], any number.
    Few(Vec<Live>),
    /// More than [`limits::FEW`].
    #[serde(skip)]
    Many(Box<Crowd>),
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NAME: &str = "Values";
        match self {
            Self::One(live) => serializer.serialize_newtype_variant(NAME, 0, "One", live),
            Self::Few(lives) => serializer.serialize_newtype_variant(NAME, 1, "Few", lives),
            Self::Many(crowd) => serializer.serialize_newtype_variant(NAME, 1, "Few", &Listed(crowd)),
        }
    }
}

/// A crowd written as a list.
struct Listed<'a>(&'a Crowd);

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len() as usize))?;
        for live in self.0.iter() {
            list.serialize_element(live)?;
        }
        list.end()
    }
}

impl Values {
    pub(super) const NONE: Self = Self::Few(Vec::new());

    pub(super) fn lives(&self) -> Lives<'_> {
        match self {
            Self::One(live) => Lives { few: std::slice::from_ref(live), many: None },
            Self::Few(lives) => Lives { few: lives, many: None },
            Self::Many(crowd) => Lives { few: &[], many: Some(crowd) },
        }
    }

    pub(super) fn insert<'a>(&mut self, live: Live, rank: &Rank<impl Fn(ChainNo) -> Option<&'a Origin>>) {
        let place = |lives: &[Live]| lives.partition_point(|other| rank.cmp(other, &live).is_gt());
        match self {
            Self::Few(lives) if lives.is_empty() => *self = Self::One(live),
            Self::Few(lives) => {
                lives.insert(place(lives), live);
                self.settle(rank);
            }
            Self::Many(crowd) => crowd.insert(live, rank),
            Self::One(other) => {
                let place = place(std::slice::from_ref(other));
                let Self::One(other) = std::mem::replace(self, Self::NONE) else { return };
                let mut lives = vec![other];
                lives.insert(place, live);
                *self = Self::Few(lives);
            }
        }
    }

    /// Gives a list that has become long the shape of a long one.
    pub(super) fn settle<'a>(&mut self, rank: &Rank<impl Fn(ChainNo) -> Option<&'a Origin>>) {
        if let Self::Few(lives) = self
            && lives.len() > limits::FEW
        {
            let mut crowd = Crowd::default();
            for live in std::mem::take(lives) {
                crowd.insert(live, rank);
            }
            *self = Self::Many(Box::new(crowd));
        }
    }

    pub(super) fn remove(&mut self, op: OpId) {
        match self {
            Self::One(live) if live.op == op => *self = Self::NONE,
            Self::One(_) => (),
            Self::Few(lives) => {
                lives.retain(|live| live.op != op);
                if lives.len() == 1
                    && let Some(last) = lives.pop()
                {
                    *self = Self::One(last);
                }
            }
            Self::Many(crowd) => {
                crowd.remove(op);
                if crowd.len() as usize <= limits::FEW {
                    *self = Self::Few(std::mem::take(&mut **crowd).into_vec());
                }
            }
        }
    }

    /// Marks a value as seen by a deletion. How many were not marked before.
    pub(super) fn list(&mut self, op: OpId) -> u32 {
        let few = match self {
            Self::One(live) => std::slice::from_mut(live),
            Self::Few(lives) => lives,
            Self::Many(crowd) => return crowd.list(op),
        };
        let mut marked = 0;
        for live in few.iter_mut().filter(|live| live.op == op && !live.listed) {
            live.listed = true;
            marked += 1;
        }
        marked
    }
}

/// The live values of a register; the first is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lives<'a> {
    few: &'a [Live],
    many: Option<&'a Crowd>,
}

impl<'a> Lives<'a> {
    /// The one that is shown.
    pub fn first(self) -> Option<&'a Live> {
        self.few.first().or_else(|| self.many?.first())
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.many.map_or(self.few.len(), |crowd| crowd.len() as usize)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.few.is_empty() && self.many.is_none()
    }

    /// All, by rank.
    pub fn iter(self) -> impl Iterator<Item = &'a Live> {
        self.few.iter().chain(self.many.into_iter().flat_map(Crowd::iter))
    }

    /// Those of one operation.
    pub(super) fn of(self, op: OpId) -> impl Iterator<Item = &'a Live> {
        let few = self.few.iter().filter(move |live| live.op == op);
        few.chain(self.many.into_iter().flat_map(move |crowd| crowd.of(op)))
    }

    /// How many of them no deletion saw.
    pub(crate) fn unlisted(self) -> u32 {
        match self.many {
            Some(crowd) => crowd.unlisted(),
            None => self.few.iter().map(|live| u32::from(!live.listed)).sum(),
        }
    }

    /// Whether any two differ.
    pub(crate) fn differ(self) -> bool {
        match (self.many, self.few) {
            (Some(crowd), _) => crowd.differs(),
            (None, [first, rest @ ..]) => rest.iter().any(|live| live.value != first.value),
            (None, []) => false,
        }
    }
}
