//! What cannot run on this machine: said aloud.
//!
//! A test that lacks something (root, a program, the real samples) passes all the same, and `cargo
//! test` hides what passing tests print. So the reason also goes into the file that `VELO_SKIPS`
//! names; `scripts/test` counts and prints what stands there.

use std::{ffi::OsStr, fs::OpenOptions, io::Write};

/// Says why the test that runs in this thread cannot run here.
///
/// # Panics
/// If the reason cannot be written where it was to be.
pub fn tell(why: &str) {
    let thread = std::thread::current();
    note(std::env::var_os("VELO_SKIPS").as_deref(), thread.name().unwrap_or("a test"), why);
}

fn note(file: Option<&OsStr>, test: &str, why: &str) {
    println!("SKIPPED: {test}: {why}");
    if let Some(file) = file {
        // In one write, since other tests append at the same time.
        let line = format!("{test}: {why}\n");
        let opened = OpenOptions::new().append(true).create(true).open(file);
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        assert!(written.is_ok(), "a skip must not be silent: {}: {written:?}", file.display());
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_skip_leaves_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skips");
        super::note(None, "one", "nobody asked");
        super::note(Some(file.as_os_str()), "one", "needs root");
        super::note(Some(file.as_os_str()), "two", "`ip` is missing");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "one: needs root\ntwo: `ip` is missing\n");
    }
}
