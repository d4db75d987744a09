//! The address book together with its file: changes are gathered and written on a blocking thread.

use super::super::book::{AddressBook, BookError};
use std::{
    io, mem,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Changes are gathered this long.
const DELAY: Duration = Duration::from_secs(1);

/// See the module.
pub struct SavedBook {
    book: AddressBook,
    path: PathBuf,
    /// When to write the changes made; `None` without changes.
    save_at: Option<Instant>,
    saving: Option<JoinHandle<io::Result<()>>>,
    /// Whether the last writing failed.
    failed: bool,
}

impl SavedBook {
    /// Reads the file. Blocks on the disk.
    pub fn load(path: PathBuf) -> (Self, Option<BookError>) {
        let (book, error) = AddressBook::load(&path);
        (Self { book, path, save_at: None, saving: None, failed: false }, error)
    }

    /// To read.
    pub fn get(&self) -> &AddressBook {
        &self.book
    }

    /// To change; it is written soon.
    pub fn edit(&mut self) -> &mut AddressBook {
        self.save_at.get_or_insert_with(|| Instant::now() + DELAY);
        &mut self.book
    }

    /// When [`Self::save_if_due`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        if self.saving.is_some() { None } else { self.save_at }
    }

    /// Starts to write, if it is time.
    pub fn save_if_due(&mut self, now: Instant) {
        if self.due().is_some_and(|at| at <= now) {
            self.start_saving();
        }
    }

    /// Waits until the writing under way has ended, for ever if there is none. Returns a failure
    /// that followed a success: one complaint is enough. Safe to cancel.
    pub async fn saved(&mut self) -> Option<io::Error> {
        let Some(saving) = &mut self.saving else { return std::future::pending().await };
        let result = saving.await.map_err(io::Error::other).flatten();
        self.saving = None;
        let failed_before = mem::replace(&mut self.failed, result.is_err());
        result.err().filter(|_| !failed_before)
    }

    /// Writes what is left. What cannot be written is found again by discovery.
    pub async fn finish(mut self) {
        while self.saving.is_some() {
            self.saved().await;
        }
        if self.save_at.is_some() {
            self.start_saving();
            self.saved().await;
        }
    }

    fn start_saving(&mut self) {
        self.save_at = None;
        let (book, path) = (self.book.clone(), self.path.clone());
        self.saving = Some(tokio::task::spawn_blocking(move || book.save(&path)));
    }
}
