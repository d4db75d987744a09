//! Tickets and link codes as pictures: drawn as QR codes, and read from images.
//!
//! A QR code holds capitals and digits in little more than half the room of other letters, and a
//! ticket means the same in capitals, so that is how it is drawn. The weakest of the four grades of
//! error correction is used: it has the largest squares, every ticket fits it, and a ticket brings a
//! checksum of its own.
//!
//! A picture comes from anywhere. Its size is looked at before it is decoded, and what is found in it
//! is only ever taken for a text that might be what is looked for.

use crate::limits;
use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Luma, metadata::Orientation,
};
use qrcode::{Color, EcLevel, QrCode};
use std::{collections::BTreeSet, fs::File, io::Cursor, io::Read, path::Path, str::FromStr};
use velo_protocol::{
    armour::ArmourError,
    link_code::LinkCode,
    ticket::{Ticket, TicketError},
};

/// Squares of white around a code: less, and some readers do not find it.
const QUIET: usize = 4;
/// Pixels of a square in a picture.
const SQUARE: usize = 8;
/// Codes in large pictures are looked for in a smaller copy first, of about this many pixels a side:
/// it is quicker, and evens out the noise of a camera.
const SMALL_SIDE: u32 = 1_600;

/// Why there is no picture of a code, or not the right one in a picture. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum QrError {
    /// More text than a code holds.
    #[error("this does not fit into a QR code: send it as text")]
    TooLong,
    /// A picture could not be made.
    #[error("the picture could not be made: {0}")]
    Unmade(ImageError),
    /// The file could not be read.
    #[error("{0} cannot be opened: {reason}. Check where the picture lies", reason = plain(.1))]
    File(String, std::io::Error),
    /// A large file.
    #[error("the picture is too large: at most {} MiB are read. Cut out the QR code", limits::PICTURE_BYTES >> 20)]
    TooManyBytes,
    /// Many pixels.
    #[error(
        "the picture is too large: at most {} million pixels are read. Cut out the QR code",
        limits::PICTURE_PIXELS / 1_000_000
    )]
    TooManyPixels,
    /// Neither PNG nor JPEG, or damaged.
    #[error("this is not a picture that can be read, PNG or JPEG: {0}")]
    NotAPicture(ImageError),
    /// Nothing that looks like a code.
    #[error("no QR code was found in the picture: take it again, sharp and straight, with white around it")]
    NoCode,
    /// A code of which too much is missing.
    #[error("the QR code in the picture cannot be read: take it again, sharp, straight and whole")]
    Unreadable,
    /// Several of what is looked for.
    #[error("there are {0} codes in the picture: cut out the one you mean")]
    Several(usize),
    /// Something else.
    #[error("the QR code in the picture is no ticket for Velo: {0}")]
    NotATicket(TicketError),
    /// Something else, where a link code is looked for.
    #[error("the QR code in the picture is no link code: {0}")]
    NotALinkCode(ArmourError),
}

/// An error in words that need no knowledge of systems, where there are any.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        _ => error.to_string(),
    }
}

/// What can be looked for in a picture.
pub trait InPicture: FromStr {
    /// A code says something else.
    fn something_else(error: Self::Err) -> QrError;
}

impl InPicture for Ticket {
    fn something_else(error: TicketError) -> QrError {
        QrError::NotATicket(error)
    }
}

impl InPicture for LinkCode {
    fn something_else(error: ArmourError) -> QrError {
        QrError::NotALinkCode(error)
    }
}

/// The squares of a ticket's code, row by row, dark ones true, without the white around them.
pub fn matrix(ticket: &str) -> Result<Vec<Vec<bool>>, QrError> {
    let capitals = ticket.to_ascii_uppercase();
    let code = QrCode::with_error_correction_level(capitals, EcLevel::L).map_err(|_| QrError::TooLong)?;
    let side = code.width();
    let dark: Vec<bool> = code.into_colors().into_iter().map(|color| color == Color::Dark).collect();
    Ok(dark.chunks(side).map(<[bool]>::to_vec).collect())
}

/// A code with white around it: whether the square at a place is dark.
fn is_dark(code: &[Vec<bool>], row: usize, column: usize) -> bool {
    let inside = |place: usize| place.checked_sub(QUIET);
    let square = inside(row).and_then(|row| code.get(row)).zip(inside(column));
    square.and_then(|(row, column)| row.get(column)).copied().unwrap_or(false)
}

/// A code as lines of text, two rows of squares in a line, with white around it. The letters are
/// dark, what is between them light.
pub fn half_blocks(code: &[Vec<bool>]) -> Vec<String> {
    let side = code.len() + 2 * QUIET;
    let letter = |row, column| match (is_dark(code, row, column), is_dark(code, row + 1, column)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    (0..side).step_by(2).map(|row| (0..side).map(|column| letter(row, column)).collect()).collect()
}

/// A code as a PNG file.
pub fn png(code: &[Vec<bool>]) -> Result<Vec<u8>, QrError> {
    let side = ((code.len() + 2 * QUIET) * SQUARE) as u32;
    let picture = GrayImage::from_fn(side, side, |x, y| {
        let (row, column) = (y as usize / SQUARE, x as usize / SQUARE);
        Luma([if is_dark(code, row, column) { 0 } else { u8::MAX }])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(QrError::Unmade)?;
    Ok(bytes.into_inner())
}

/// The ticket or link code in a picture.
pub fn find_in_file<T: InPicture>(path: &Path) -> Result<T, QrError> {
    let failed = |error| QrError::File(path.display().to_string(), error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // The size that a file claims may be another one, or none.
    file.take(limits::PICTURE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    find(&bytes)
}

/// The ticket in a picture, PNG or JPEG.
pub fn read(bytes: &[u8]) -> Result<Ticket, QrError> {
    find(bytes)
}

/// The ticket or link code in a picture, PNG or JPEG.
pub fn find<T: InPicture>(bytes: &[u8]) -> Result<T, QrError> {
    if bytes.len() as u64 > limits::PICTURE_BYTES {
        return Err(QrError::TooManyBytes);
    }
    let picture = grey(decode(bytes)?);
    let shrink = picture.width().max(picture.height()).div_ceil(SMALL_SIDE).max(1);
    let mut found = codes(&picture, shrink);
    if found.texts.is_empty() && shrink > 1 {
        found = codes(&picture, 1);
    }
    found.only()
}

/// A picture, PNG or JPEG, the way up that its camera was held. How many pixels it claims to have is looked
/// at before room is made for them.
pub fn decode(bytes: &[u8]) -> Result<DynamicImage, QrError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let reader = reader.map_err(|error| QrError::NotAPicture(ImageError::IoError(error)))?;
    let mut decoder = reader.into_decoder().map_err(QrError::NotAPicture)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits::PICTURE_PIXELS {
        return Err(QrError::TooManyPixels);
    }
    // A picture that does not say is upright.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(QrError::NotAPicture)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// In shades of grey, on white where a picture is transparent.
fn grey(picture: DynamicImage) -> GrayImage {
    if !picture.color().has_alpha() {
        return picture.into_luma8();
    }
    let picture = picture.into_luma_alpha8();
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [shade, alpha] = picture.get_pixel(x, y).0.map(u32::from);
        Luma([((shade * alpha + 255 * (255 - alpha)) / 255) as u8])
    })
}

/// What was found in a picture.
#[derive(Default)]
struct Found {
    /// What the codes say, each once.
    texts: BTreeSet<String>,
    /// Whether there is a code that cannot be read.
    unreadable: bool,
}

impl Found {
    fn only<T: InPicture>(self) -> Result<T, QrError> {
        let mut right = Vec::new();
        let mut wrong = None;
        for text in &self.texts {
            match text.parse::<T>() {
                Ok(found) => right.push(found),
                Err(error) => wrong = Some(error),
            }
        }
        match (right.len(), right.pop(), wrong) {
            (1, Some(found), _) => Ok(found),
            (0, _, Some(error)) => Err(T::something_else(error)),
            (0, ..) if self.unreadable => Err(QrError::Unreadable),
            (0, ..) => Err(QrError::NoCode),
            (several, ..) => Err(QrError::Several(several)),
        }
    }
}

/// Looks for codes in a picture whose sides are divided by `shrink`.
fn codes(picture: &GrayImage, shrink: u32) -> Found {
    let (width, height) = (picture.width() / shrink, picture.height() / shrink);
    if width == 0 || height == 0 {
        return Found::default();
    }
    let mean = |x: usize, y: usize| {
        let (left, top) = (x as u32 * shrink, y as u32 * shrink);
        let pixels = (0..shrink).flat_map(|dy| (0..shrink).map(move |dx| (left + dx, top + dy)));
        let sum: u32 = pixels.map(|(x, y)| u32::from(picture.get_pixel(x, y).0[0])).sum();
        (sum / (shrink * shrink)) as u8
    };
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width as usize, height as usize, mean);
    let mut found = Found::default();
    for grid in prepared.detect_grids() {
        match grid.decode() {
            Ok((_, text)) => _ = found.texts.insert(text),
            Err(_) => found.unreadable = true,
        }
    }
    found
}
