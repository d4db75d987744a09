//! A frame from a peer: decoding it never panics, and what decodes encodes to an equal message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use velo_protocol::message::Message;

fuzz_target!(|frame: &[u8]| {
    if let Ok(message) = Message::decode(frame) {
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
});
