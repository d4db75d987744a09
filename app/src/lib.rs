//! Velo.
