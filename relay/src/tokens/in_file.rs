//! Tokens in a file of the data directory, as JSON. It is small, and written anew as a whole.

use super::{Hash, Token, TokenError};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};
use velo_protocol::id::WorkspaceId;

const FILE: &str = "operator-tokens.json";
/// Held while the file is read and written.
const LOCK: &str = "operator-tokens.lock";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    token: Token,
    hash: String,
}

impl Kept {
    fn is_of(&self, hash: Hash) -> bool {
        self.hash == data_encoding::HEXLOWER.encode(&hash)
    }
}

fn failed(what: &str, path: &Path, error: &dyn std::fmt::Display) -> TokenError {
    TokenError::Storage(format!("{what} {}: {error}", path.display()))
}

/// Reads the tokens, has something done with them, and writes them if that changed them. One at a time.
fn with<T>(
    data_dir: &Path,
    work: impl FnOnce(&mut Vec<Kept>) -> Result<T, TokenError>,
) -> Result<T, TokenError> {
    fs::create_dir_all(data_dir).map_err(|error| failed("making", data_dir, &error))?;
    let path = data_dir.join(LOCK);
    let lock = fs::File::create(&path).map_err(|error| failed("opening", &path, &error))?;
    lock.lock().map_err(|error| failed("locking", &path, &error))?;
    let mut kept = read(&data_dir.join(FILE))?;
    let before = serde_json::to_vec(&kept).unwrap_or_default();
    let done = work(&mut kept)?;
    if serde_json::to_vec(&kept).unwrap_or_default() != before {
        write(data_dir, &kept)?;
    }
    Ok(done)
}

fn read(path: &PathBuf) -> Result<Vec<Kept>, TokenError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed("reading", path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed("reading", path, &error)),
    }
}

fn write(data_dir: &Path, kept: &[Kept]) -> Result<(), TokenError> {
    let path = data_dir.join(FILE);
    let wrong = |error: &dyn std::fmt::Display| failed("writing", &path, error);
    let mut file = tempfile::NamedTempFile::new_in(data_dir).map_err(|error| wrong(&error))?;
    serde_json::to_writer_pretty(&mut file, kept).map_err(|error| wrong(&error))?;
    file.flush().and_then(|()| file.as_file().sync_all()).map_err(|error| wrong(&error))?;
    file.persist(&path).map_err(|error| wrong(&error))?;
    Ok(())
}

pub(super) fn add(data_dir: &Path, token: &Token, hash: Hash) -> Result<(), TokenError> {
    with(data_dir, |kept| {
        if kept.iter().any(|one| one.token.name == token.name) {
            return Err(TokenError::Taken(token.name.clone()));
        }
        kept.push(Kept { token: token.clone(), hash: data_encoding::HEXLOWER.encode(&hash) });
        kept.sort_by(|a, b| a.token.name.cmp(&b.token.name));
        Ok(())
    })
}

pub(super) fn list(data_dir: &Path) -> Result<Vec<Token>, TokenError> {
    with(data_dir, |kept| Ok(kept.iter().map(|one| one.token.clone()).collect()))
}

pub(super) fn remove(data_dir: &Path, name: &str) -> Result<bool, TokenError> {
    with(data_dir, |kept| {
        let before = kept.len();
        kept.retain(|one| one.token.name != name);
        Ok(kept.len() < before)
    })
}

/// The token with this hash, which has admitted the workspace if there was a place.
pub(super) fn admit(
    data_dir: &Path,
    workspace: WorkspaceId,
    hash: Hash,
) -> Result<Option<Token>, TokenError> {
    with(data_dir, |kept| {
        let Some(one) = kept.iter_mut().find(|one| one.is_of(hash)) else { return Ok(None) };
        if one.token.has_place_for(workspace) && !one.token.admitted.contains(&workspace) {
            one.token.admitted.push(workspace);
        }
        Ok(Some(one.token.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::Tokens;
    use velo_node::operator::Operator;

    #[test]
    fn a_token_admits_as_many_workspaces_as_it_is_for_and_nothing_once_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let tokens = Tokens::InFile;
        let text = tokens.add(dir, &Token::new("Workshop", Some(5_000), 2).unwrap()).unwrap();
        let admits = |number, text: &str| tokens.admits(dir, WorkspaceId([number; 32]), text);
        assert_eq!(admits(1, &text), Ok(Some(5_000)));
        assert_eq!(admits(2, &format!(" {text}\n")), Ok(Some(5_000)), "as it was copied");
        assert_eq!(admits(1, &text), Ok(Some(5_000)), "the same again costs nothing");
        assert!(admits(3, &text).unwrap_err().contains("used up"));
        assert!(admits(1, "").unwrap_err().contains("asks for a token"));
        assert!(admits(1, "relay-aaaa").unwrap_err().contains("does not know"));
        let kept = fs::read_to_string(dir.join(FILE)).unwrap();
        assert!(!kept.contains(&text), "only its hash is kept");

        assert!(matches!(
            tokens.add(dir, &Token::new("Workshop", None, 1).unwrap()),
            Err(TokenError::Taken(_))
        ));
        assert_eq!(tokens.list(dir).unwrap().len(), 1);
        tokens.remove(dir, "Workshop").unwrap();
        assert!(matches!(tokens.remove(dir, "Workshop"), Err(TokenError::Unknown(_))));
        assert!(admits(1, &text).unwrap_err().contains("does not know"));
    }

    #[test]
    fn a_token_needs_a_name() {
        for name in ["", "  ", "a\u{7}b", &"x".repeat(101)] {
            assert!(matches!(Token::new(name, None, 1), Err(TokenError::Name)), "{name:?}");
        }
    }
}
