//! What the app looks like: every colour, size and duration in one table, dark and light.
#![allow(
    clippy::unreadable_literal,
    clippy::mistyped_literal_suffixes,
    reason = "colours are written byte by byte, as the design has them"
)]

use crate::fonts;
use egui::{
    Color32, Context, CornerRadius, Margin, Shadow, Stroke, Style, TextStyle, Theme, Vec2, Visuals,
    style::{ScrollStyle, Selection, TextCursorStyle, WidgetVisuals, Widgets},
};

/// Colours of one theme. Every text colour has a contrast of at least 4.6:1 on app, card and hover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the design")]
pub struct Tokens {
    pub app: Color32,
    pub panel: Color32,
    pub card: Color32,
    pub raised: Color32,
    pub hover: Color32,
    pub border: Color32,
    pub border_strong: Color32,
    pub text: Color32,
    pub secondary: Color32,
    pub muted: Color32,
    pub accent: Color32,
    pub on_accent: Color32,
    pub ok: Color32,
    pub warn: Color32,
    pub danger: Color32,
    pub info: Color32,
    pub conflict: Color32,
    /// Shadow under raised surfaces.
    pub shadow: Color32,
    /// The line of light along the upper edge of raised surfaces.
    pub highlight: Color32,
    /// Behind modals.
    pub scrim: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// The dark theme.
pub const DARK: Tokens = Tokens {
    app: rgb(0x0E_10_14),
    panel: rgb(0x14_17_1C),
    card: rgb(0x1B_1F_26),
    raised: rgb(0x23_28_32),
    hover: rgb(0x2A_30_3B),
    border: rgb(0x26_2B_34),
    border_strong: rgb(0x3A_42_50),
    text: rgb(0xE8_EA_ED),
    secondary: rgb(0xA3_AA_B6),
    muted: rgb(0x92_9B_A8),
    accent: rgb(0x7C_93_FF),
    on_accent: rgb(0x0B_10_20),
    ok: rgb(0x3F_B6_8B),
    warn: rgb(0xE5_A5_3B),
    danger: rgb(0xF2_70_7B),
    info: rgb(0x4F_B3_E8),
    conflict: rgb(0xC9_8B_FF),
    shadow: Color32::from_black_alpha(110),
    highlight: Color32::from_rgba_premultiplied(14, 14, 14, 14),
    scrim: Color32::from_black_alpha(140),
};

/// The light theme.
pub const LIGHT: Tokens = Tokens {
    app: rgb(0xF6_F7_F9),
    panel: rgb(0xFF_FF_FF),
    card: rgb(0xFF_FF_FF),
    raised: rgb(0xFF_FF_FF),
    hover: rgb(0xEE_F1_F5),
    border: rgb(0xE3_E7_EC),
    border_strong: rgb(0xC5_CC_D6),
    text: rgb(0x17_1A_1F),
    secondary: rgb(0x52_5B_68),
    muted: rgb(0x63_6C_79),
    accent: rgb(0x3F_5B_D9),
    on_accent: rgb(0xFF_FF_FF),
    ok: rgb(0x17_79_5A),
    warn: rgb(0x8F_5B_00),
    danger: rgb(0xC4_2B_3A),
    info: rgb(0x14_68_A8),
    conflict: rgb(0x7A_3F_C4),
    shadow: Color32::from_black_alpha(28),
    highlight: Color32::from_rgba_premultiplied(150, 150, 150, 150),
    scrim: Color32::from_black_alpha(70),
};

/// Accents of labels, projects and people, for each theme; the value stored is a place in it.
const ACCENTS: [(u32, u32); 10] = [
    (0x7C93FF, 0x3F5BD9),
    (0x3FB68B, 0x17795A),
    (0xE5A53B, 0x8F5B00),
    (0xF2707B, 0xC42B3A),
    (0x4FB3E8, 0x1468A8),
    (0xC98BFF, 0x7A3FC4),
    (0xE88BC4, 0xAD2E7E),
    (0x6CC3C1, 0x17706E),
    (0xB4C25A, 0x5F6B12),
    (0xE8946A, 0xA84A1C),
];

/// Distances.
#[allow(missing_docs, reason = "the names are those of the design")]
pub mod space {
    pub const XXS: f32 = 2.0;
    pub const XS: f32 = 4.0;
    pub const S: f32 = 8.0;
    pub const M: f32 = 12.0;
    pub const L: f32 = 16.0;
    pub const XL: f32 = 24.0;
}

/// Corner radii.
#[allow(missing_docs, reason = "the names are those of the design")]
pub mod radius {
    pub const S: u8 = 4;
    pub const M: u8 = 6;
    pub const L: u8 = 10;
}

/// Sizes of type.
#[allow(missing_docs, reason = "the names are those of the design")]
pub mod size {
    pub const TINY: f32 = 11.0;
    pub const SMALL: f32 = 12.0;
    pub const BODY: f32 = 13.0;
    pub const LARGE: f32 = 15.0;
    pub const TITLE: f32 = 20.0;
}

/// Fixed measures of the layout.
#[allow(missing_docs, reason = "the names are those of the design")]
pub mod measure {
    pub const SIDEBAR: f32 = 240.0;
    pub const HEADER: f32 = 44.0;
    pub const COLUMN: f32 = 288.0;
    pub const DETAIL: f32 = 420.0;
    pub const ROW: f32 = 32.0;
    pub const TARGET: f32 = 28.0;
    /// Below this width of the window the detail takes the whole page.
    pub const NARROW: f32 = 900.0;
}

/// Seconds of motion.
pub const MOTION: f32 = 0.12;

impl Tokens {
    /// The table of a theme.
    pub const fn of(theme: Theme) -> &'static Self {
        match theme {
            Theme::Dark => &DARK,
            Theme::Light => &LIGHT,
        }
    }

    /// An accent by its stored number.
    pub fn accent_at(&self, number: usize) -> Color32 {
        let (dark, light) = ACCENTS[number % ACCENTS.len()];
        rgb(if *self == DARK { dark } else { light })
    }

    /// A quiet fill in the tone of `color`, for chips and selected rows.
    pub fn tint(&self, color: Color32) -> Color32 {
        let strength = if *self == DARK { 0.16 } else { 0.10 };
        self.card.lerp_to_gamma(color, strength)
    }
}

/// The tokens of the theme in use.
pub fn tokens(ctx: &Context) -> &'static Tokens {
    Tokens::of(ctx.theme())
}

/// Makes egui look like Velo, in both themes.
pub fn install(ctx: &Context, fallback_fonts: Vec<(String, Vec<u8>)>) {
    ctx.set_fonts(fonts::definitions(fallback_fonts));
    for theme in [Theme::Dark, Theme::Light] {
        ctx.set_style_of(theme, style(theme));
    }
}

fn style(theme: Theme) -> Style {
    let tokens = Tokens::of(theme);
    let mut style = Style { visuals: visuals(theme, tokens), animation_time: MOTION, ..Style::default() };
    style.text_styles = [
        (TextStyle::Small, fonts::regular(size::TINY)),
        (TextStyle::Body, fonts::regular(size::BODY)),
        (TextStyle::Button, fonts::medium(size::BODY)),
        (TextStyle::Heading, fonts::semibold(size::TITLE)),
        (TextStyle::Monospace, egui::FontId::monospace(size::SMALL)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::new(space::S, space::XS);
    spacing.button_padding = Vec2::new(10.0, 6.0);
    spacing.interact_size = Vec2::new(measure::TARGET, measure::TARGET);
    spacing.menu_margin = Margin::same(space::XS as i8);
    spacing.window_margin = Margin::same(space::L as i8);
    spacing.tooltip_width = 320.0;
    spacing.scroll = ScrollStyle {
        bar_width: 6.0,
        floating_width: 4.0,
        active_handle_opacity: 0.25,
        interact_handle_opacity: 0.4,
        ..ScrollStyle::floating()
    };
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.4;
    style
}

fn visuals(theme: Theme, tokens: &Tokens) -> Visuals {
    let base = if theme == Theme::Dark { Visuals::dark() } else { Visuals::light() };
    let shadow = Shadow { offset: [0, 8], blur: 28, spread: 0, color: tokens.shadow };
    Visuals {
        override_text_color: None,
        weak_text_color: Some(tokens.muted),
        widgets: widgets(tokens),
        selection: Selection {
            bg_fill: tokens.accent.gamma_multiply(0.32),
            stroke: Stroke::new(2.0, tokens.accent),
        },
        hyperlink_color: tokens.accent,
        faint_bg_color: tokens.card,
        extreme_bg_color: tokens.app,
        text_edit_bg_color: Some(tokens.app),
        code_bg_color: tokens.raised,
        warn_fg_color: tokens.warn,
        error_fg_color: tokens.danger,
        window_corner_radius: CornerRadius::same(radius::L),
        window_shadow: shadow,
        window_fill: tokens.raised,
        window_stroke: Stroke::new(1.0, tokens.border_strong),
        menu_corner_radius: CornerRadius::same(radius::M),
        panel_fill: tokens.app,
        popup_shadow: shadow,
        text_cursor: TextCursorStyle { stroke: Stroke::new(1.5, tokens.accent), ..base.text_cursor.clone() },
        ..base
    }
}

fn widgets(tokens: &Tokens) -> Widgets {
    let look = |fill, border, text| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, border),
        corner_radius: CornerRadius::same(radius::M),
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    Widgets {
        noninteractive: look(tokens.panel, tokens.border, tokens.text),
        inactive: look(tokens.card, tokens.border_strong, tokens.text),
        hovered: look(tokens.hover, tokens.border_strong, tokens.text),
        active: look(tokens.hover, tokens.accent, tokens.text),
        open: look(tokens.hover, tokens.border_strong, tokens.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(color: Color32) -> f32 {
        let linear = |byte: u8| {
            let c = f32::from(byte) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
    }

    fn contrast(a: Color32, b: Color32) -> f32 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_text_colour_can_be_read_on_every_surface() {
        for tokens in [DARK, LIGHT] {
            for surface in [tokens.app, tokens.panel, tokens.card, tokens.hover] {
                for text in [tokens.text, tokens.secondary, tokens.muted, tokens.accent] {
                    let ratio = contrast(text, surface);
                    assert!(ratio >= 4.5, "{text:?} on {surface:?} has {ratio:.2}:1");
                }
            }
            assert!(contrast(tokens.on_accent, tokens.accent) >= 4.6);
        }
    }
}
