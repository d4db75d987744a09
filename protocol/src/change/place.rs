//! Places among siblings.
//!
//! A move costs one order key between those of its new neighbours. Keys grow where many things are
//! put at one place again and again; when one would pass [`limits::ORDER_KEY`], or when there is no
//! room because two devices made the same key, the neighbours are spread anew: first a few on each
//! side, then twice as many, until short keys fit.

use super::{
    ChangeError, check,
    draft::Draft,
    named,
    siblings::{Container, Place},
};
use crate::{
    id::EntityId,
    limits,
    model::{EntityKey, Field, Kind},
    value::{OrderKey, Value},
};
use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

/// Siblings on each side that the first attempt to spread takes along.
const SPREAD: usize = 8;

pub(super) fn place(
    draft: &mut Draft<'_>,
    key: EntityKey,
    container: Option<(Field, EntityId)>,
    after: Option<EntityId>,
    suffix: [u8; 2],
) -> Result<(), ChangeError> {
    let Some(order) = key.kind.order() else {
        return Err(ChangeError::NotPlaceable { kind: key.kind.name(), container: "a list".to_owned() });
    };
    check::must_be_shown(draft, key)?;
    if let Some((field, id)) = container {
        enter(draft, key, field, id)?;
    }
    let list = list_of(draft, key, container.map(|(field, _)| field), after)?;
    let low = match after {
        Some(id) if id == key.id => return Ok(()),
        Some(id) => Some(beside(draft, list, id)?),
        None => None,
    };
    let own = draft.place_of(key);
    let siblings = draft.list(list);
    if own.order().is_some() && previous(siblings, &own) == low.as_ref() {
        return Ok(());
    }
    let high = next(siblings, low.as_ref(), key.id);
    match between(low.as_ref(), high, suffix) {
        Some(middle) => draft.set(key, &order.into(), Value::Order(middle)),
        None => spread(draft, list, &own, low.as_ref(), suffix),
    }
    Ok(())
}

fn enter(draft: &mut Draft<'_>, key: EntityKey, field: Field, id: EntityId) -> Result<(), ChangeError> {
    if key.kind.containment(field).is_none() {
        let name = key.kind.field(field).map_or("that field", |spec| spec.name);
        return Err(ChangeError::NotPlaceable { kind: key.kind.name(), container: name.to_owned() });
    }
    super::set(draft, key, &field.into(), &Value::Entity(id))
}

/// The list in which the place is meant: the one just entered, else the first one in which the
/// sibling stands too.
fn list_of(
    draft: &mut Draft<'_>,
    key: EntityKey,
    field: Option<Field>,
    after: Option<EntityId>,
) -> Result<Container, ChangeError> {
    let lists = draft.containers_of(key);
    let holds = |draft: &mut Draft<'_>, list: &Container| {
        let sibling = after.map(|id| draft.place_of(EntityKey::new(key.kind, id)));
        sibling.is_none_or(|place| draft.list(*list).contains(&place))
    };
    let entered =
        lists.iter().find(|list| field.is_some_and(|field| list.within == key.kind.containment(field)));
    let shared = || lists.iter().find(|list| holds(draft, list)).or(lists.first());
    entered.or_else(shared).copied().ok_or(ChangeError::NotFound(key))
}

fn beside(draft: &mut Draft<'_>, list: Container, id: EntityId) -> Result<Place, ChangeError> {
    let key = EntityKey::new(list.kind, id);
    check::must_be_shown(draft, key)?;
    let place = draft.place_of(key);
    if draft.list(list).contains(&place) { Ok(place) } else { Err(ChangeError::NotBeside(named(draft, key))) }
}

fn previous<'a>(siblings: &'a BTreeSet<Place>, of: &Place) -> Option<&'a Place> {
    siblings.range(..of).next_back()
}

/// The first sibling behind `low` that is not the one to be placed.
fn next<'a>(siblings: &'a BTreeSet<Place>, low: Option<&Place>, own: EntityId) -> Option<&'a Place> {
    let from = low.map_or(Unbounded, Excluded);
    siblings.range((from, Unbounded)).find(|place| place.id != own)
}

/// A key that really sorts between two siblings, if there is a short enough one. Nothing with a key
/// comes behind a sibling without one.
fn between(low: Option<&Place>, high: Option<&Place>, suffix: [u8; 2]) -> Option<OrderKey> {
    let low = match low {
        Some(place) => Some(place.order()?),
        None => None,
    };
    let high = high.and_then(Place::order);
    let key = OrderKey::between(low, high, suffix);
    let fits = low.is_none_or(|low| *low < key) && high.is_none_or(|high| key < *high);
    (fits && key.is_well_formed()).then_some(key)
}

/// Gives `own`, right after `low`, and its neighbours new keys. Ends at the latest with a window that
/// holds the whole list: it has room for any number.
fn spread(draft: &mut Draft<'_>, list: Container, own: &Place, low: Option<&Place>, suffix: [u8; 2]) {
    let mut reach = SPREAD;
    loop {
        let window = Window::new(draft.list(list), own, low, reach);
        if let Some(keys) = window.keys(suffix) {
            set_orders(draft, list.kind, &window.members, keys);
            return;
        }
        reach *= 2;
    }
}

fn set_orders(draft: &mut Draft<'_>, kind: Kind, members: &[EntityId], keys: Vec<OrderKey>) {
    let Some(order) = kind.order() else { return };
    for (id, key) in members.iter().zip(keys) {
        draft.set(EntityKey::new(kind, *id), &order.into(), Value::Order(key));
    }
}

/// Siblings to be spread, and the fixed ones around them.
struct Window {
    below: Option<Place>,
    members: Vec<EntityId>,
    above: Option<Place>,
}

impl Window {
    fn new(siblings: &BTreeSet<Place>, own: &Place, low: Option<&Place>, reach: usize) -> Self {
        let others = |place: &&Place| place.id != own.id;
        let mut before: Vec<&Place> = match low {
            Some(low) => siblings.range(..=low).rev().filter(others).take(reach + 1).collect(),
            None => Vec::new(),
        };
        let from = low.map_or(Unbounded, Excluded);
        let mut behind: Vec<&Place> =
            siblings.range((from, Unbounded)).filter(others).take(reach + 1).collect();
        let below = if before.len() > reach { before.pop() } else { None };
        let above = if behind.len() > reach { behind.pop() } else { None };
        let ids = before.iter().rev().map(|place| place.id).chain([own.id]);
        let members = ids.chain(behind.iter().map(|place| place.id)).collect();
        Self { below: below.cloned(), members, above: above.cloned() }
    }

    /// A key for each member, or `None` if they get too long: then more siblings must be taken.
    fn keys(&self, suffix: [u8; 2]) -> Option<Vec<OrderKey>> {
        let low = match &self.below {
            Some(place) => Some(place.order()?),
            None => None,
        };
        let high = self.above.as_ref().and_then(Place::order);
        let keys = even_keys(low, high, self.members.len(), suffix);
        let most = if low.is_none() && high.is_none() { limits::ORDER_KEY } else { limits::ORDER_KEY / 2 };
        let short = keys.iter().all(|key| key.0.len() <= most);
        let rising = low.into_iter().chain(&keys).chain(high).is_sorted_by(|left, right| left < right);
        (short && rising).then_some(keys)
    }
}

/// Rising keys between two others. Alone they stand evenly; at an open end they count up or down, in
/// between they bisect.
fn even_keys(
    low: Option<&OrderKey>,
    high: Option<&OrderKey>,
    count: usize,
    suffix: [u8; 2],
) -> Vec<OrderKey> {
    match (low, high) {
        (Some(low), Some(high)) => {
            let mut keys = Vec::with_capacity(count);
            bisect(low, high, count, suffix, &mut keys);
            keys
        }
        (None, Some(high)) => {
            let downwards = |key: &OrderKey| Some(OrderKey::between(None, Some(key), suffix));
            let mut keys: Vec<_> = std::iter::successors(downwards(high), downwards).take(count).collect();
            keys.reverse();
            keys
        }
        (Some(low), None) => {
            let upwards = |key: &OrderKey| Some(OrderKey::between(Some(key), None, suffix));
            std::iter::successors(upwards(low), upwards).take(count).collect()
        }
        (None, None) => (0..count).map(|place| OrderKey::nth_of(place, count, suffix)).collect(),
    }
}

fn bisect(low: &OrderKey, high: &OrderKey, count: usize, suffix: [u8; 2], keys: &mut Vec<OrderKey>) {
    if count == 0 {
        return;
    }
    let middle = OrderKey::between(Some(low), Some(high), suffix);
    bisect(low, &middle, count / 2, suffix, keys);
    keys.push(middle.clone());
    bisect(&middle, high, count - 1 - count / 2, suffix, keys);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: &[u8]) -> OrderKey {
        OrderKey(bytes.into())
    }

    #[test]
    fn even_keys_rise_and_stay_short() {
        let (low, high) = (key(&[7, 1]), key(&[7, 2]));
        for (low, high) in [(None, None), (Some(&low), None), (None, Some(&high)), (Some(&low), Some(&high))]
        {
            for count in [1, 2, 17, 300] {
                let keys = even_keys(low, high, count, [3, 5]);
                assert_eq!(keys.len(), count);
                let all = low.into_iter().chain(&keys).chain(high);
                assert!(all.is_sorted_by(|left, right| left < right));
                assert!(keys.iter().all(|key| key.0.len() <= limits::ORDER_KEY / 2), "{count}");
            }
        }
    }

    #[test]
    fn a_list_of_any_length_has_room_for_keys_of_its_own() {
        for count in [1, 600_000, limits::CHANGES_PER_COMMAND] {
            let keys = even_keys(None, None, count, [3, 5]);
            assert!(keys.is_sorted_by(|left, right| left < right) && keys.len() == count);
            assert!(keys.iter().all(|key| key.0.len() <= 10), "{count}");
            // And for more at both ends, without growing.
            for end in [even_keys(None, keys.first(), 9, [1, 1]), even_keys(keys.last(), None, 9, [1, 1])] {
                assert!(end.iter().all(|key| key.0.len() <= 6), "{count}");
            }
        }
    }

    #[test]
    fn no_key_stands_between_equal_ones_or_behind_none() {
        let place = |order: Option<&[u8]>, id| Place::new(order.map(key), EntityId([id; 16]));
        let (one, same, none) = (place(Some(&[5]), 1), place(Some(&[5]), 2), place(None, 3));
        assert_eq!(between(Some(&one), Some(&same), [1, 1]), None);
        assert_eq!(between(Some(&none), None, [1, 1]), None);
        assert!(between(Some(&one), Some(&none), [1, 1]).is_some());
    }
}
