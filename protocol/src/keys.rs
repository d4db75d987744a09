//! Content keys: who can read what the log carries.
//!
//! Bodies of `Data` and `Profile` entries are encrypted under the key of an **epoch**, 32 random
//! bytes. A `KeyEpoch` entry starts an epoch: it wraps the key to everybody who is to read on
//! (devices, live invites, recovery keys) and carries, encrypted under the new key, the older keys
//! that no other key leads to. So a newcomer who gets one key reads the whole history, and somebody
//! removed reads what was written until then and no more. `KeyShare` entries wrap the key to those
//! who came later or did not fit.
//!
//! ```text
//!   KeyEpoch E1        KeyEpoch E2, E3 (concurrent)     KeyEpoch E4
//!   wraps: Ann, Ben    wraps: Ann, Ben, Cleo            wraps: Ann, Cleo (Ben is removed)
//!                      older: E1 under E2 / under E3    older: E2 under E4, E3 under E4
//! ```
//!
//! A key is named by its **commitment**, a hash of it: whoever unwraps a key checks that it is the
//! one everybody else was promised, so a member cannot give different people different keys, and a
//! key found by whatever way is known for what it is. [`ring::KeyRing`] therefore depends only on
//! which entries it was given, never on their order.
//!
//! Receivers never judge which epoch a writer chose. The rule of choice ([`ring::KeyRing::to_write`])
//! is one of honest writers, for the sake of those who must not read.
//!
//! Absent on purpose: forward secrecy within an epoch, and protection from a member who passes keys
//! on outside of the log.

pub mod secret;
pub mod body;
pub mod ciphers;
pub mod presence;
pub mod wrap;
pub mod epoch;
pub mod ring;
