//! Many real peers in one workspace for long: does what they use stay the same?
//!
//! Each peer is a `velo` process on a host of its own on one LAN, found by mDNS, and edits now and then.
//! Most run on undisturbed: they are the ones that are judged. Of every ten, one is put to sleep and
//! woken again and again, one loses its cable and works on offline, and one crashes or ends and starts
//! anew. What each process uses is [read](gauge) from `/proc` at a steady distance and
//! [written down](readings); at the end all have to show the same state, and a [chart] is drawn.

pub mod chart;
pub mod crowd;
pub mod gauge;
pub mod readings;
