//! Pictures of screens, compared with those kept.

use super::screen::Screen;
use egui::{Theme, Vec2};
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};

/// The window.
pub const SIZE: Vec2 = Vec2::new(1280.0, 800.0);
/// Both, and how their pictures are called.
pub const THEMES: [(Theme, &str); 2] = [(Theme::Dark, "dark"), (Theme::Light, "light")];

/// Compares what a harness shows.
pub fn snapshot<S>(harness: &mut Harness<'_, S>, name: &str, results: &mut SnapshotResults) {
    // Rasterisers of different versions differ by a few pixels along curves.
    let options = SnapshotOptions::new().threshold(1.0).failed_pixel_count_threshold(400);
    harness.snapshot_options(name, &options);
    results.extend_harness(harness);
}

/// The pictures of one test.
pub struct Album(SnapshotResults);

#[allow(dead_code, reason = "each test program uses a part of it")]
impl Album {
    /// An empty one.
    pub fn new() -> Self {
        Self(SnapshotResults::new())
    }

    /// Compares a screen in both themes.
    pub fn add(&mut self, name: &str, prepare: impl Fn(Theme) -> Screen) {
        for (theme, suffix) in THEMES {
            let mut screen = prepare(theme);
            snapshot(&mut screen.harness, &format!("{name}_{suffix}"), &mut self.0);
        }
    }
}

/// Compares one screen in both themes.
pub fn in_both_themes(name: &str, prepare: impl Fn(Theme) -> Screen) {
    Album::new().add(name, prepare);
}
