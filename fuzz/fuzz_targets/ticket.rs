//! A ticket as somebody typed it: parsing never panics, and what parses prints the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use velo_protocol::ticket::Ticket;

fuzz_target!(|text: &str| {
    if let Ok(ticket) = text.parse::<Ticket>() {
        assert_eq!(ticket.to_string().parse::<Ticket>(), Ok(ticket));
    }
});
