//! The address book's file, with anything in it: what is understood is bounded, comes back as it was
//! written, and can be worked with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use velo_node::fuzzing::{AddressBook, address_book};
use velo_protocol::limits;

const PEERS: usize = 256;
const ADDRESSES: usize = 8;
const WANTED: usize = 4 * limits::TICKET_ADDRESSES;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut book) = address_book(bytes) else { return };
    assert_bounds(&book);
    let written = serde_json::to_vec(&book).expect("a book");
    assert_eq!(address_book(&written).as_ref(), Ok(&book));
    let known: Vec<_> = book.peers().map(|(peer, known)| (peer, known.to_vec())).collect();
    let wanted = book.wanted().to_vec();
    for (peer, addresses) in &known {
        for entry in addresses.iter() {
            book.session(*peer, Some(&entry.address), u64::MAX);
            book.failure(peer, &entry.address);
        }
        for address in &wanted {
            book.learn(peer, address);
            book.want(address);
            book.session(*peer, Some(address), 0);
        }
    }
    assert_bounds(&book);
    book.forget_old(u64::MAX);
});

fn assert_bounds(book: &AddressBook) {
    assert!(book.wanted().len() <= WANTED && book.peers().count() <= PEERS);
    assert!(book.peers().all(|(_, known)| known.len() <= ADDRESSES));
}
