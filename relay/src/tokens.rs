//! Tokens of the operator: who shows one may have workspaces carried.
//!
//! A token is a random text that is told once; only its hash is kept. It admits a number of workspaces, and
//! each may take so much room. Where the relay has a database they stand there, since several relays may
//! serve one; else in a file of the data directory. To remove one admits nothing new, and what is carried is
//! carried on.

mod in_database;
mod in_file;

use crate::store::InDatabase;
use serde::{Deserialize, Serialize};
use std::{path::Path, sync::Arc};
use velo_node::operator::Operator;
use velo_protocol::id::WorkspaceId;

/// Why a token cannot be added, removed or looked up.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is one of that name.
    #[error("there is a token named \"{0}\": give this one another name, or remove that one first")]
    Taken(String),
    /// There is none.
    #[error("there is no token named \"{0}\": see `velo-relay token list`")]
    Unknown(String),
    /// Nothing to tell it apart by.
    #[error("a token needs a name of 1 to {} characters: for whom is it?", MOST_NAME_CHARS)]
    Name,
    /// The file or the database.
    #[error("{0}")]
    Storage(String),
}

/// Characters of a token's name.
const MOST_NAME_CHARS: usize = 100;

/// A token, as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// For whom it is.
    pub name: String,
    /// Bytes of entries and attachments that are kept of each workspace. None: as many as there are.
    pub room: Option<u64>,
    /// How many workspaces it admits.
    pub workspaces: u32,
    /// Which it has admitted.
    pub admitted: Vec<WorkspaceId>,
}

impl Token {
    /// One that has admitted nothing yet.
    pub fn new(name: &str, room: Option<u64>, workspaces: u32) -> Result<Self, TokenError> {
        let name = name.trim().to_owned();
        if name.is_empty() || name.chars().count() > MOST_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(TokenError::Name);
        }
        Ok(Self { name, room, workspaces, admitted: Vec::new() })
    }

    /// Whether it admits this workspace, too.
    fn has_place_for(&self, workspace: WorkspaceId) -> bool {
        self.admitted.contains(&workspace) || self.admitted.len() < self.workspaces as usize
    }
}

/// What the operator gives out.
#[derive(Debug, Clone)]
pub enum Tokens {
    /// In the data directory.
    InFile,
    /// In the database.
    InDatabase(Arc<InDatabase>),
}

/// What is kept of a token's text.
type Hash = [u8; 32];

fn hash_of(text: &str) -> Hash {
    blake3::derive_key("velo 2026 token of a relay's operator", text.trim().as_bytes())
}

/// A new token's text: 128 random bits.
fn random_text() -> Result<String, TokenError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| TokenError::Storage(format!("the system gives no randomness: {error}")))?;
    Ok(format!("relay-{}", data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase()))
}

impl Tokens {
    /// Where they stand: in the database, if there is one.
    pub fn of(database: Option<Arc<InDatabase>>) -> Self {
        database.map_or(Self::InFile, Self::InDatabase)
    }

    /// Makes a token. Its text is returned here, and nowhere else.
    pub fn add(&self, data_dir: &Path, token: &Token) -> Result<String, TokenError> {
        let text = random_text()?;
        match self {
            Self::InFile => in_file::add(data_dir, token, hash_of(&text))?,
            Self::InDatabase(home) => in_database::add(home, token.clone(), hash_of(&text))?,
        }
        Ok(text)
    }

    /// All of them, by name.
    pub fn list(&self, data_dir: &Path) -> Result<Vec<Token>, TokenError> {
        match self {
            Self::InFile => in_file::list(data_dir),
            Self::InDatabase(home) => in_database::list(home),
        }
    }

    /// Takes one back: it admits nothing any more.
    pub fn remove(&self, data_dir: &Path, name: &str) -> Result<(), TokenError> {
        let was_there = match self {
            Self::InFile => in_file::remove(data_dir, name)?,
            Self::InDatabase(home) => in_database::remove(home, name.to_owned())?,
        };
        if was_there { Ok(()) } else { Err(TokenError::Unknown(name.to_owned())) }
    }

    fn admit(
        &self,
        data_dir: &Path,
        workspace: WorkspaceId,
        hash: Hash,
    ) -> Result<Option<Token>, TokenError> {
        match self {
            Self::InFile => in_file::admit(data_dir, workspace, hash),
            Self::InDatabase(home) => in_database::admit(home, workspace, hash),
        }
    }
}

impl Operator for Tokens {
    fn admits(&self, data_dir: &Path, workspace: WorkspaceId, token: &str) -> Result<Option<u64>, String> {
        if token.trim().is_empty() {
            return Err(
                "it asks for a token of its operator, who makes one with `velo-relay token add NAME`"
                    .to_owned(),
            );
        }
        match self.admit(data_dir, workspace, hash_of(token)) {
            Ok(Some(token)) if token.admitted.contains(&workspace) => Ok(token.room),
            Ok(Some(token)) => Err(format!(
                "the token is used up: it was good for {} workspaces. Ask its operator for another one",
                token.workspaces
            )),
            Ok(None) => Err(
                "it does not know that token: look whether it is whole, or ask its operator for another one"
                    .to_owned(),
            ),
            Err(error) => {
                tracing::warn!(%error, "a token could not be looked up");
                Err("it cannot look up the token at the moment: try again in a minute".to_owned())
            }
        }
    }
}
