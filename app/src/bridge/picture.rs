//! Looking for a code in a picture, which takes a moment: never for the window to wait.

use crate::view::picture::{Picture, Wanted};
use std::path::Path;
use velo_node::qr::{self, InPicture, QrError};
use velo_protocol::{link_code::LinkCode, ticket::Ticket};

/// The text of what is wanted in a picture. `Err`: why not, and what to do.
pub fn read(wanted: Wanted, picture: &Picture) -> Result<String, String> {
    match wanted {
        Wanted::Ticket => find::<Ticket>(picture).map(|ticket| ticket.to_string()),
        Wanted::LinkCode => find::<LinkCode>(picture).map(|code| code.to_string()),
    }
}

fn find<T: InPicture>(picture: &Picture) -> Result<T, String> {
    let found = match picture {
        Picture::File(path) if is_something_else(path) => {
            return Err(format!("{} is not a file: choose a picture", path.display()));
        }
        Picture::File(path) => qr::find_in_file(path),
        Picture::Bytes(bytes) => qr::find(bytes),
    };
    found.map_err(|error: QrError| error.to_string())
}

/// A folder; or a pipe or device, which might never end.
fn is_something_else(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| !meta.is_file())
}
