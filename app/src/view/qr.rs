//! A text as a QR code: which squares are dark.

use qrcode::{Color, EcLevel, QrCode};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qr {
    width: usize,
    dark: Vec<bool>,
}

impl Qr {
    /// Squares left blank on every side, so that readers find the code.
    pub const QUIET: usize = 4;

    /// The code of a text in capital letters: such a code is a third smaller, and tickets read the
    /// same in both. `None` if the text is too long for any.
    pub fn of(text: &str) -> Option<Self> {
        // A screen has neither dirt nor folds: the least redundancy leaves the largest squares.
        let code = QrCode::with_error_correction_level(text.to_uppercase(), EcLevel::L).ok()?;
        let dark = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        Some(Self { width: code.width(), dark })
    }

    /// Squares on each side, without the blank ones around.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Squares on each side, with the blank ones around.
    pub fn outer(&self) -> usize {
        self.width + 2 * Self::QUIET
    }

    /// Runs of dark squares: row, first, and one past the last.
    pub fn runs(&self) -> Vec<(usize, usize, usize)> {
        let mut runs = Vec::new();
        for (row, squares) in self.dark.chunks(self.width.max(1)).enumerate() {
            let mut at = 0;
            for run in squares.chunk_by(|a, b| a == b) {
                if run.first() == Some(&true) {
                    runs.push((row, at, at + run.len()));
                }
                at += run.len();
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_corners() {
        let code = Qr::of("velo1abcdefgh").unwrap();
        assert_eq!(code.width(), 21, "letters and digits fit the smallest");
        assert_eq!(code.outer(), 29);
        let first: Vec<_> = code.runs().into_iter().filter(|(row, ..)| *row == 0).collect();
        assert_eq!((first[0], *first.last().unwrap()), ((0, 0, 7), (0, 14, 21)));
    }

    #[test]
    fn a_text_too_long_has_none() {
        assert_eq!(Qr::of(&"a".repeat(5_000)), None);
        assert!(Qr::of(&"a".repeat(4_096)).is_some(), "every ticket fits");
    }
}
