//! Tickets through pictures and back, and pictures that are none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking, in its helpers too")]

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgba, RgbaImage, imageops};
use std::io::Cursor;
use velo_node::{
    limits,
    qr::{self, QrError},
};
use velo_protocol::{
    armour::ArmourError,
    dice::Dice,
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    limits::TICKET_ADDRESSES,
    link_code::{LinkCode, LinkSecret},
    ticket::{SessionSecret, Ticket, TicketError},
};

fn ticket(seed: u8, addresses: usize) -> Ticket {
    let address = |n| format!("/ip6/2001:db8:1234:5678:1234:5678:1234:ff{n:02}/tcp/65535");
    Ticket {
        workspace: WorkspaceId([seed; 32]),
        invite: EntryId([seed ^ 1; 32]),
        seed: [seed ^ 2; 32],
        secret: SessionSecret([seed ^ 3; 32]),
        inviter: PersonId([seed ^ 4; 32]),
        expires_ms: u64::from(seed) << 40,
        addresses: (0..addresses).map(address).collect(),
    }
}

fn png_of(text: &str) -> Vec<u8> {
    qr::png(&qr::matrix(text).unwrap()).unwrap()
}

fn picture(bytes: &[u8]) -> GrayImage {
    image::load_from_memory(bytes).unwrap().into_luma8()
}

fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn every_ticket_comes_back_from_its_picture() {
    for addresses in 0..=TICKET_ADDRESSES {
        let ticket = ticket(addresses as u8, addresses);
        let read = qr::read(&png_of(&ticket.to_string()));
        assert_eq!(read.unwrap(), ticket, "{addresses} addresses");
    }
}

#[test]
fn a_link_code_comes_back_where_one_is_looked_for() {
    let code = LinkCode { device: DeviceId([5; 32]), secret: LinkSecret([6; 16]), addresses: Vec::new() };
    let drawn = png_of(&code.to_string());
    assert_eq!(qr::find::<LinkCode>(&drawn).unwrap(), code);
    assert!(matches!(
        qr::read(&drawn),
        Err(QrError::NotATicket(TicketError::Text(ArmourError::SomethingElse(_))))
    ));
    let ticket = png_of(&ticket(1, 0).to_string());
    assert!(matches!(
        qr::find::<LinkCode>(&ticket),
        Err(QrError::NotALinkCode(ArmourError::SomethingElse(_)))
    ));
}

/// As a phone takes it: large, grey, turned a little, with something around it.
#[test]
fn a_photograph_of_a_ticket_is_read() {
    let ticket = ticket(7, 2);
    let code = picture(&png_of(&ticket.to_string()));
    let turned = imageops::rotate90(&imageops::resize(&code, 1500, 1500, imageops::FilterType::Triangle));
    let mut photo = GrayImage::from_pixel(4000, 3000, Luma([90]));
    imageops::overlay(&mut photo, &turned, 1100, 700);
    for pixel in photo.pixels_mut() {
        pixel.0[0] = 30 + pixel.0[0] / 2;
    }
    assert_eq!(qr::read(&file(photo, ImageFormat::Jpeg)).unwrap(), ticket);
}

#[test]
fn what_is_transparent_is_white() {
    let ticket = ticket(8, 0);
    let code = picture(&png_of(&ticket.to_string()));
    let clear = RgbaImage::from_fn(code.width(), code.height(), |x, y| {
        Rgba([0, 0, 0, 255 - code.get_pixel(x, y).0[0]])
    });
    assert_eq!(qr::read(&file(clear, ImageFormat::Png)).unwrap(), ticket);
}

#[test]
fn each_wrong_picture_has_its_own_error() {
    let blank = file(GrayImage::from_pixel(64, 64, Luma([255])), ImageFormat::Png);
    assert!(matches!(qr::read(&blank), Err(QrError::NoCode)));
    assert!(matches!(qr::read(b"hello"), Err(QrError::NotAPicture(_))));
    assert!(matches!(qr::read(b""), Err(QrError::NotAPicture(_))));
    let cut = png_of("x");
    assert!(matches!(qr::read(&cut[..cut.len() / 2]), Err(QrError::NotAPicture(_))));
    let other = qr::read(&png_of("https://velo.example"));
    assert!(matches!(other, Err(QrError::NotATicket(TicketError::Text(ArmourError::SomethingElse(_))))));
    let damaged = ticket(1, 0).to_string().replace('a', "b");
    let damaged = qr::read(&png_of(&damaged));
    assert!(matches!(damaged, Err(QrError::NotATicket(TicketError::Text(ArmourError::Damaged(..))))));
    let too_long = "x".repeat(8_000);
    assert!(matches!(qr::matrix(&too_long), Err(QrError::TooLong)));
}

#[test]
fn of_several_tickets_none_is_taken() {
    let beside = |one: &str, other: &str| {
        let (one, other) = (picture(&png_of(one)), picture(&png_of(other)));
        let mut both =
            GrayImage::from_pixel(one.width() + other.width(), one.height().max(other.height()), Luma([255]));
        imageops::overlay(&mut both, &one, 0, 0);
        imageops::overlay(&mut both, &other, i64::from(one.width()), 0);
        qr::read(&file(both, ImageFormat::Png))
    };
    let (one, other) = (ticket(1, 0), ticket(2, 0));
    assert!(matches!(beside(&one.to_string(), &other.to_string()), Err(QrError::Several(2))));
    assert_eq!(beside(&one.to_string(), &one.to_string()).unwrap(), one);
    assert_eq!(beside(&one.to_string(), "https://velo.example").unwrap(), one);
}

/// A small file may claim to be a huge picture.
#[test]
fn size_is_looked_at_before_anything_is_decoded() {
    let side = 16_000;
    let bomb = file(GrayImage::from_pixel(side, 4_000, Luma([255])), ImageFormat::Png);
    assert!(bomb.len() < 1024 * 1024);
    assert!(matches!(qr::read(&bomb), Err(QrError::TooManyPixels)));
    let heavy = vec![0; limits::PICTURE_BYTES as usize + 1];
    assert!(matches!(qr::read(&heavy), Err(QrError::TooManyBytes)));
}

/// Whatever is in it, a picture gives a ticket or a sentence.
#[test]
fn damaged_pictures_never_panic() {
    let mut dice = Dice::new(20);
    let mut pick = move |below: usize| dice.below(below as u64) as usize;
    let code = picture(&png_of(&ticket(3, 0).to_string()));
    let small = imageops::resize(&code, code.width() / 4, code.height() / 4, imageops::FilterType::Nearest);
    let whole = file(small.clone(), ImageFormat::Png);
    let mut read = 0;
    for round in 0..1_000 {
        let bytes = if usize::is_multiple_of(round, 2) {
            // The picture is damaged: blots, and shades turned round.
            let mut picture = small.clone();
            for _ in 0..pick(40) {
                let (x, y, side, shade) =
                    (pick(picture.width() as usize), pick(picture.height() as usize), pick(12), pick(256));
                for (dx, dy) in (0..side).flat_map(|dx| (0..side).map(move |dy| (dx, dy))) {
                    let (x, y) = ((x + dx) as u32, (y + dy) as u32);
                    if x < picture.width() && y < picture.height() {
                        picture.put_pixel(x, y, Luma([shade as u8]));
                    }
                }
            }
            file(picture, ImageFormat::Png)
        } else {
            // The file is.
            let mut bytes = whole.clone();
            for _ in 0..=pick(4) {
                let at = pick(bytes.len());
                bytes[at] = pick(256) as u8;
            }
            bytes.truncate(bytes.len() - pick(2) * pick(bytes.len() / 2));
            bytes
        };
        match qr::read(&bytes) {
            Ok(ticket) => read += usize::from(ticket.seed == [3 ^ 2; 32]),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(read > 0, "some blots do no harm");
}

#[test]
fn on_a_terminal_two_rows_share_a_line() {
    let code = qr::matrix("velo1").unwrap();
    let lines = qr::half_blocks(&code);
    let side = code.len() + 8;
    assert_eq!(lines.len(), side.div_ceil(2));
    assert!(lines.iter().all(|line| line.chars().count() == side));
    let dark = |row: usize, column: usize| {
        let letter = lines[row / 2].chars().nth(column).unwrap();
        letter == '█' || letter == if row.is_multiple_of(2) { '▀' } else { '▄' }
    };
    for (row, squares) in code.iter().enumerate() {
        for (column, square) in squares.iter().enumerate() {
            assert_eq!(dark(row + 4, column + 4), *square, "{row} {column}");
        }
    }
}
