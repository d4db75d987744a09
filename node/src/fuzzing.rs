//! Opens to the targets in `fuzz/` those decoders that otherwise only this crate calls. The others
//! are public, or are reached by putting a file where the program looks for it.

pub use crate::{
    data_dir::checked::with_sum,
    net::{
        address::{is_dialable, path, plain, split_peer},
        book::{AddressBook, parse as address_book},
        identity::peer_id,
        mdns::packet::{self as mdns_packet, Packet as MdnsPacket},
        session::frame::{FrameError, frames},
    },
    store::state::sled_state::pack,
};

use crate::{
    api, control,
    store::state::{SavedState, sled_state},
};
use serde_json::{Value, json};
use std::{
    io::Cursor,
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::{io, sync::Semaphore};
use velo_protocol::id::WorkspaceId;

/// How long the control socket waits, which it need not.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the control socket answers to a client that sends `bytes` and is gone in the middle of its
/// next request. A request that is understood is answered with `{"ok": …}` and itself.
pub async fn control(bytes: &[u8]) -> Vec<u8> {
    let handler = async |request: Value| match api::understand(request) {
        Ok(request) => json!({ "ok": request }),
        Err(error) => error.to_json(),
    };
    let mut answers = Vec::new();
    if let Ok(place) = Arc::new(Semaphore::new(1)).acquire_owned().await {
        let stream = io::join(Cursor::new([bytes, b"{"].concat()), &mut answers);
        control::client(stream, Arc::new(handler), place, PATIENCE).await;
    }
    answers
}

/// The database of [`saved_state`]: opening one takes longer than all else.
static DATABASE: LazyLock<sled::Result<sled::Db>> =
    LazyLock::new(|| sled::Config::new().temporary(true).open());

/// What a state database with these keys and values gives.
pub fn saved_state(workspace: WorkspaceId, items: &[(Vec<u8>, Vec<u8>)]) -> Option<SavedState> {
    let database = DATABASE.as_ref().ok()?;
    database.clear().ok()?;
    for (key, value) in items {
        database.insert(key, &**value).ok()?;
    }
    Some(sled_state::load(database, workspace).ok()??.state)
}
