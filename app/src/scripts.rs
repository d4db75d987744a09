//! Fonts of the system for scripts that the bundled ones lack. egui does not look for them itself.

use std::path::Path;

/// Where Linux distributions and macOS put fonts for other scripts; the first of a group is taken.
const PLACES: &[&[&str]] = &[
    // Chinese, Japanese, Korean
    &[
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
        "/System/Library/Fonts/PingFang.ttc",
    ],
    // Arabic
    &[
        "/usr/share/fonts/truetype/noto/NotoSansArabic-Regular.ttf",
        "/usr/share/fonts/noto/NotoSansArabic-Regular.ttf",
    ],
    // Hebrew
    &[
        "/usr/share/fonts/truetype/noto/NotoSansHebrew-Regular.ttf",
        "/usr/share/fonts/noto/NotoSansHebrew-Regular.ttf",
    ],
    // Devanagari
    &[
        "/usr/share/fonts/truetype/noto/NotoSansDevanagari-Regular.ttf",
        "/usr/share/fonts/noto/NotoSansDevanagari-Regular.ttf",
    ],
    // Signs of many kinds
    &["/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/TTF/DejaVuSans.ttf"],
];

/// Those that are there: a name and the file's bytes.
pub fn fallback_fonts() -> Vec<(String, Vec<u8>)> {
    let found = PLACES.iter().filter_map(|group| group.iter().find(|path| Path::new(path).exists()));
    found.filter_map(|path| Some(((*path).to_owned(), std::fs::read(path).ok()?))).collect()
}
