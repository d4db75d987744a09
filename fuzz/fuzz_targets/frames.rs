//! The bytes of a session stream, in pieces as the network brings them: the frames are those that were
//! sent, up to the first that breaks the rules. The first byte is the length of a piece.
#![no_main]

use futures::{executor::block_on, io::AllowStdIo, stream::StreamExt};
use libfuzzer_sys::fuzz_target;
use std::io::{self, Read};
use velo_node::fuzzing::{FrameError, frames};
use velo_protocol::{limits, message::Message};

struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    length: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&self.bytes[self.at..]).take(self.length as u64).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((length, bytes)) = input.split_first() else { return };
    let pieces = Pieces { bytes: bytes.to_vec(), at: 0, length: usize::from(*length).max(1) };
    let found: Vec<_> = block_on(frames(AllowStdIo::new(pieces)).collect());
    let mut rest = bytes;
    for frame in found {
        let (head, after) =
            rest.split_first_chunk::<4>().map_or((None, rest), |(head, after)| (Some(*head), after));
        let announced = head.map(u32::from_le_bytes);
        match frame {
            Ok(frame) => {
                let _ = Message::decode(&frame);
                assert_eq!(announced, Some(frame.len() as u32));
                rest = after.strip_prefix(&*frame).expect("the bytes that were sent");
            }
            Err(FrameError::Empty) => return assert_eq!(announced, Some(0)),
            Err(FrameError::TooLong(length)) => {
                return assert!(announced == Some(length) && length as usize > limits::FRAME);
            }
            Err(FrameError::Io(_)) => {
                return assert!(announced.is_none_or(|length| after.len() < length as usize));
            }
        }
    }
    assert!(rest.is_empty(), "the stream ended within a frame, and nobody said so");
});
