//! What was computed is remembered while the simulator plays a schedule, and never else.
//!
//! In a schedule every device checks the same signatures and opens the same wraps, again after each
//! restart: more than half of the time went there. Each answer follows from the question alone, so
//! the simulator may look it up. The question is everything that goes in (key, message, signature), so who
//! signs other bytes than the next one checks is still refused. What was signed or wrapped here counts
//! as asked: that the libraries verify what they signed, tests of their own show.
//!
//! Without the feature `sim` there is no memory at all.

#[cfg(not(feature = "sim"))]
mod memory {
    /// Computes an answer.
    pub(crate) fn answer<T>(_: &[&[u8]], compute: impl FnOnce() -> T) -> T {
        compute()
    }

    /// Remembers nothing.
    pub(crate) fn note<T>(_: &[&[u8]], _: T) {}
}

#[cfg(feature = "sim")]
mod memory {
    use std::{
        any::{Any, TypeId},
        cell::RefCell,
        collections::BTreeMap,
    };

    /// Answers by the hash of the question and their type.
    type Answers = BTreeMap<([u8; 32], TypeId), Box<dyn Any>>;

    thread_local! {
        static ANSWERS: RefCell<Option<Answers>> = const { RefCell::new(None) };
    }

    /// Remembers while it lives, on this thread.
    pub(crate) struct Memory(());

    impl Memory {
        pub(crate) fn start() -> Self {
            ANSWERS.set(Some(Answers::new()));
            Self(())
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            ANSWERS.set(None);
        }
    }

    fn is_on() -> bool {
        ANSWERS.with_borrow(Option::is_some)
    }

    /// Each part with its length, so that no two questions are written alike.
    fn key<T: 'static>(question: &[&[u8]]) -> ([u8; 32], TypeId) {
        let mut hasher = blake3::Hasher::new();
        for part in question {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        (*hasher.finalize().as_bytes(), TypeId::of::<T>())
    }

    /// The answer remembered, or computed and remembered.
    pub(crate) fn answer<T: Clone + 'static>(question: &[&[u8]], compute: impl FnOnce() -> T) -> T {
        if !is_on() {
            return compute();
        }
        let key = key::<T>(question);
        let known = ANSWERS.with_borrow(|answers| answers.as_ref()?.get(&key)?.downcast_ref::<T>().cloned());
        known.unwrap_or_else(|| {
            let answer = compute();
            remember(key, answer.clone());
            answer
        })
    }

    /// Remembers an answer that is known without being computed.
    pub(crate) fn note<T: Clone + 'static>(question: &[&[u8]], answer: T) {
        if is_on() {
            remember(key::<T>(question), answer);
        }
    }

    fn remember<T: 'static>(key: ([u8; 32], TypeId), answer: T) {
        ANSWERS.with_borrow_mut(|answers| {
            if let Some(answers) = answers {
                answers.insert(key, Box::new(answer));
            }
        });
    }
}

#[cfg(feature = "sim")]
pub(crate) use memory::Memory;
pub(crate) use memory::{answer, note};
