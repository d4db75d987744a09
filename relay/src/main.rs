//! Velo.
fn main() {}
