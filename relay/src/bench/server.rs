//! The database server that is measured: databases of the bench's own on it, which are dropped at the end.

use super::process::blocking;
use crate::database::Database;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use std::str::FromStr;
use velo_node::api::ApiError;

/// See the module.
pub(super) struct Server {
    options: PgConnectOptions,
    /// Begins the names of its databases.
    prefix: String,
    made: Vec<String>,
}

impl Server {
    /// The server of this URL.
    pub fn at(url: &str) -> Result<Self, ApiError> {
        let options = PgConnectOptions::from_str(url).map_err(|error| {
            ApiError::Invalid(format!("DATABASE_URL is not like postgres://user:password@host/name: {error}"))
        })?;
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|error| ApiError::Failed(format!("the system gave no randomness: {error}")))?;
        let prefix = format!("velo_bench_{:016x}", u64::from_be_bytes(random));
        Ok(Self { options, prefix, made: Vec::new() })
    }

    /// Makes an empty database. Gives its URL.
    pub async fn make(&mut self, what: &str) -> Result<String, ApiError> {
        let name = format!("{}_{what}", self.prefix);
        self.run(format!("CREATE DATABASE {name}")).await?;
        self.made.push(name.clone());
        Ok(self.options.clone().database(&name).to_url_lossy().to_string())
    }

    /// Drops everything that was made.
    pub async fn clear(&mut self) -> Result<(), ApiError> {
        for name in std::mem::take(&mut self.made) {
            self.run(format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        }
        Ok(())
    }

    async fn run(&self, sql: String) -> Result<(), ApiError> {
        let failed = |error: sqlx::Error| {
            ApiError::Failed(format!(
                "{sql}: {error}. The bench makes databases of its own: DATABASE_URL needs a user who may, see \
                 `createuser --createdb`"
            ))
        };
        let mut connection = PgConnection::connect_with(&self.options).await.map_err(failed)?;
        // The name is made of digits and words of this program.
        sqlx::query(AssertSqlSafe(sql.as_str())).execute(&mut connection).await.map_err(failed)?;
        // It is done: how the connection ends is nobody's loss.
        let _ = connection.close().await;
        Ok(())
    }
}

/// Opens one of them.
pub(super) async fn open(url: &str) -> Result<Database, ApiError> {
    let url = url.to_owned();
    blocking(move || Database::open(&url)).await
}
