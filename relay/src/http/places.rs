//! How much one address may have open at once, so that it does not take the places of all others.
//!
//! Counted are connections; and of a proxy on this machine, which has as many as it likes, the requests of each
//! address for whom it speaks. This machine itself is not counted: somebody hostile there could do worse.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    /// No more addresses than there are connections.
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// Something that is open. It is over when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    who: IpAddr,
}

/// The address has as much open as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoPlace;

impl Places {
    /// So many for each address.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// A place, if the address has one left.
    pub fn take(self: &Arc<Self>, who: IpAddr) -> Result<Place, NoPlace> {
        // Nobody panics while holding the lock.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(who).or_default();
        if *count >= self.most {
            return Err(NoPlace);
        }
        *count += 1;
        Ok(Place { places: Arc::clone(self), who })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_places_and_gets_them_back() {
        let (places, one, other) =
            (Places::new(2), IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = places.take(one).unwrap();
        let _second = places.take(one).unwrap();
        assert_eq!(places.take(one).unwrap_err(), NoPlace);
        assert!(places.take(other).is_ok());
        drop(first);
        assert!(places.take(one).is_ok());
        assert_eq!(places.taken.lock().unwrap().len(), 1, "who has nothing open is not remembered");
    }
}
