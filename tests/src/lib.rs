//! What the end-to-end tests share: real `velo` processes, each with a home of its own, and a laboratory
//! of networks out of Linux' [network namespaces](netns): [hosts on a bridge](lan), a
//! [switch] with bad weather, and [homes behind routers](router). And [long runs](soak) of many peers,
//! with what they use, drawn. And a
//! [database server](postgres) that goes when the test is over.

pub mod control;
pub mod device;
pub mod lan;
pub mod life;
pub mod netns;
pub mod postgres;
pub mod relay;
pub mod router;
pub mod skip;
pub mod soak;
pub mod switch;

use std::path::PathBuf;

/// A program that was built with these tests, such as `velo`.
///
/// # Panics
/// If it is not there: tests of the workspace build it, a test run of this package alone does not.
pub fn binary(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("a test has a path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build -p velo-node -p velo-relay` first",
        path.display()
    );
    path
}
