//! The typefaces: Inter in three weights, Lucide for icons, egui's own for emoji and code.

use egui::{FontData, FontDefinitions, FontFamily, FontId, FontTweak};
use std::sync::Arc;

/// Family of Inter Medium.
pub const MEDIUM: &str = "medium";
/// Family of Inter `SemiBold`.
pub const SEMIBOLD: &str = "semibold";
/// Family of the icons.
pub const ICONS: &str = "icons";

const FACES: [(&str, &[u8]); 3] = [
    ("regular", include_bytes!("../assets/fonts/Inter-Regular.otf")),
    (MEDIUM, include_bytes!("../assets/fonts/Inter-Medium.otf")),
    (SEMIBOLD, include_bytes!("../assets/fonts/Inter-SemiBold.otf")),
];

/// The families the app paints with. `fallback` are fonts of the system for scripts that Inter
/// lacks, each a name and the bytes of the file.
pub fn definitions(fallback: Vec<(String, Vec<u8>)>) -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut behind = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    for (name, bytes) in fallback {
        fonts.font_data.insert(name.clone(), Arc::new(FontData::from_owned(bytes)));
        behind.push(name);
    }
    for (name, bytes) in FACES {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
        let family = if name == "regular" { FontFamily::Proportional } else { FontFamily::Name(name.into()) };
        let faces = std::iter::once(name.to_owned()).chain(behind.iter().cloned()).collect();
        fonts.families.insert(family, faces);
    }
    let lucide = FontData::from_static(include_bytes!("../assets/fonts/lucide.ttf"));
    // Lucide's glyphs are centred in their box, a little above the middle of the letters beside them.
    let lucide = lucide.tweak(FontTweak { y_offset_factor: 0.05, ..FontTweak::default() });
    fonts.font_data.insert(ICONS.to_owned(), Arc::new(lucide));
    fonts.families.insert(FontFamily::Name(ICONS.into()), vec![ICONS.to_owned()]);
    fonts
}

/// Inter Regular.
pub const fn regular(size: f32) -> FontId {
    FontId::proportional(size)
}

/// Inter Medium.
pub fn medium(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(MEDIUM.into()))
}

/// Inter `SemiBold`.
pub fn semibold(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(SEMIBOLD.into()))
}

/// The icons.
pub fn icons(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(ICONS.into()))
}
