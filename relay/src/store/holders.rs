//! Which relays hold a workspace's rows: one that forgets them must not take them from the others.
//!
//! A relay is known by a number that it draws for each workspace and keeps in its data directory, so one whose
//! directory was lost stands here until somebody deletes its row.

use super::{failed_write, open::number_of};
use crate::{database::Database, limits, tables};
use std::{fs, io, path::Path};
use velo_protocol::{id::WorkspaceId, store::StoreError};

/// The file of the number.
const FILE: &str = "holder";

type Holder = [u8; 16];

/// The number of the relay whose folder this is, if it has one.
fn known(folder: &Path) -> io::Result<Option<Holder>> {
    let file = folder.join(FILE);
    match fs::read(&file) {
        Ok(bytes) => {
            let wrong = |_| io::Error::other(format!("{} is damaged: delete it", file.display()));
            bytes.try_into().map(Some).map_err(wrong)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same, drawn here if it has none.
fn holder(folder: &Path) -> io::Result<Holder> {
    if let Some(holder) = known(folder)? {
        return Ok(holder);
    }
    let mut drawn = [0; 16];
    getrandom::fill(&mut drawn).map_err(io::Error::other)?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join(FILE), drawn)?;
    Ok(drawn)
}

/// Notes that this relay holds a workspace.
pub(super) fn hold(database: &Database, workspace: WorkspaceId, folder: &Path) -> Result<(), StoreError> {
    let holder = holder(folder).map_err(|error| StoreError::Write(error.to_string()))?;
    let held = database.insist(limits::WRITE_PATIENCE_MS, move |pool| async move {
        let mut change = pool.begin().await?;
        let number = number_of(&mut *change, workspace).await?;
        let hold = "INSERT INTO holders (workspace, holder) VALUES ($1, $2) \
             ON CONFLICT (workspace, holder) DO UPDATE SET opened_at = now()";
        sqlx::query(hold).bind(number).bind(holder).execute(&mut *change).await?;
        change.commit().await
    });
    held.map_err(|error| failed_write(&error))
}

/// Notes that it does not any more. The last one takes the rows with it.
pub(super) fn forget(database: &Database, workspace: WorkspaceId, folder: &Path) -> Result<(), StoreError> {
    let holder = known(folder).map_err(|error| StoreError::Write(error.to_string()))?;
    let forgotten = database.insist(limits::WRITE_PATIENCE_MS, move |pool| async move {
        let mut change = pool.begin().await?;
        let locked = "SELECT number FROM workspaces WHERE id = $1 FOR UPDATE";
        let number =
            sqlx::query_scalar::<_, i32>(locked).bind(workspace.0).fetch_optional(&mut *change).await?;
        let Some(number) = number else { return Ok(()) };
        let own = "DELETE FROM holders WHERE workspace = $1 AND holder = $2";
        sqlx::query(own).bind(number).bind(holder).execute(&mut *change).await?;
        let others = "SELECT EXISTS (SELECT FROM holders WHERE workspace = $1)";
        if !sqlx::query_scalar::<_, bool>(others).bind(number).fetch_one(&mut *change).await? {
            for table in [
                "DELETE FROM workspaces WHERE number = $1",
                "DELETE FROM entries WHERE workspace = $1",
                "DELETE FROM chains WHERE workspace = $1",
                "DELETE FROM checkpoints WHERE workspace = $1",
                "DELETE FROM blobs WHERE workspace = $1",
                "DELETE FROM blobs_size WHERE workspace = $1",
            ] {
                sqlx::query(table).bind(number).execute(&mut *change).await?;
            }
            tables::clear(&mut change, number).await?;
        }
        change.commit().await
    });
    forgotten.map_err(|error| failed_write(&error))
}
