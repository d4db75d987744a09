//! The database: connections, schema, and how threads that are not asynchronous wait for it.
//!
//! A database goes away now and then: it is restarted, or another server takes over. [`Database::insist`]
//! tries again for a while, so its work must be such that doing it twice changes nothing.

use crate::limits;
use sqlx::{
    AssertSqlSafe, Error, PgPool, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    borrow::Cow,
    future::Future,
    io,
    str::FromStr,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Handle, Runtime};

/// The steps that lead to the schema of this program, in order. Those that are released stay as they are.
const MIGRATIONS: [(i64, &str, &str); 5] = [
    (1, "logs", include_str!("../migrations/0001_logs.sql")),
    (2, "tables", include_str!("../migrations/0002_tables.sql")),
    (3, "http", include_str!("../migrations/0003_http.sql")),
    (4, "operator tokens", include_str!("../migrations/0004_operator_tokens.sql")),
    (5, "blobs", include_str!("../migrations/0005_blobs.sql")),
];

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// What names it is no URL of a database.
    #[error("DATABASE_URL is not like postgres://user:password@host/name: {0}")]
    Url(#[source] Error),
    /// It does not answer, or not to this user.
    #[error(
        "the database cannot be reached: {0}: look whether it runs, and at user, password and name in DATABASE_URL"
    )]
    Unreachable(#[source] Error),
    /// Its tables cannot be brought to what this program needs.
    #[error("the tables could not be made: {0}")]
    Schema(#[source] sqlx::migrate::MigrateError),
    /// The threads that talk to it could not be started.
    #[error("starting a thread: {0}")]
    Thread(#[source] io::Error),
}

/// An open database. A clone is another handle to the same connections.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    threads: Arc<Threads>,
}

/// Those that talk to the database. They end without being waited for: nobody may wait who is driven by a
/// runtime, and the last handle may be held there.
#[derive(Debug)]
struct Threads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Database {
    /// Connects, and brings the tables to what this program needs: several that start at once wait for each
    /// other.
    pub fn open(url: &str) -> Result<Self, DatabaseError> {
        let options = PgConnectOptions::from_str(url).map_err(DatabaseError::Url)?;
        // Every query finds few rows by a key. Planned once for any parameters that costs a tenth of a
        // millisecond; planned for each, and compiled where many rows are feared, up to some hundred. A plan that
        // was made while a table was empty must not read all of it later.
        let few = [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off"), ("jit", "off")];
        let mut options = options.application_name("velo-relay").options(few);
        // Else a user that is called like the schema of the views would have its tables looked for there.
        if !options.get_options().is_some_and(|given| given.contains("search_path")) {
            options = options.options([("search_path", "public")]);
        }
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).thread_name("velo-database").enable_all().build();
        let runtime = runtime.map_err(DatabaseError::Thread)?;
        let handle = runtime.handle().clone();
        let _inside = handle.enter();
        let pool = PgPoolOptions::new()
            .max_connections(limits::CONNECTIONS)
            .acquire_timeout(Duration::from_millis(limits::CONNECT_MS))
            .connect_lazy_with(options);
        let threads = Threads { handle: handle.clone(), runtime: Some(runtime) };
        let database = Self { pool, threads: Arc::new(threads) };
        database.migrate()?;
        Ok(database)
    }

    fn migrate(&self) -> Result<(), DatabaseError> {
        let pool = self.pool.clone();
        self.wait(async move {
            drop(pool.acquire().await.map_err(DatabaseError::Unreachable)?);
            migrator().run(&pool).await.map_err(DatabaseError::Schema)
        })
    }

    /// How a connection apart from the others is made.
    pub fn connect_options(&self) -> Arc<PgConnectOptions> {
        self.pool.connect_options()
    }

    /// Has something done, and waits for it. Call it on a thread that may wait.
    ///
    /// # Panics
    /// If what is to be done panics.
    pub fn wait<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        let (done, result) = mpsc::sync_channel(1);
        let task = self.threads.handle.spawn(async move {
            // Whoever waits for it is below.
            let _ = done.send(task.await);
        });
        match result.recv() {
            Ok(result) => result,
            Err(_) => resume(self.threads.handle.block_on(task)),
        }
    }

    /// The same of what may be tried again, and is as long as the database is away.
    pub fn insist<T, F>(
        &self,
        patience_ms: u64,
        attempt: impl Fn(PgPool) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.wait(retry(self.pool.clone(), patience_ms, attempt))
    }

    /// As [`Self::insist`], for those that may not block their thread. What was begun is done to its end also if
    /// nobody waits for it any more.
    pub async fn ask<T, F>(
        &self,
        patience_ms: u64,
        attempt: impl Fn(PgPool) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let asked = self.threads.handle.spawn(retry(self.pool.clone(), patience_ms, attempt));
        match asked.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Its threads have ended: so does the process.
            Err(_) => Err(Error::PoolClosed),
        }
    }

    /// A connection of its own for hearing what others notify, beside those that queries use.
    pub fn apart(&self) -> PgPool {
        let options = (*self.pool.connect_options()).clone();
        let _inside = self.threads.handle.enter();
        PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_millis(limits::CONNECT_MS))
            .connect_lazy_with(options)
    }

    /// The connections, for tasks that wait for the database themselves.
    pub fn pool(&self) -> PgPool {
        self.pool.clone()
    }

    /// Has something done beside everything else, until what this returns is dropped.
    pub fn begin(&self, task: impl Future<Output = ()> + Send + 'static) -> Begun {
        Begun(self.threads.handle.spawn(task).abort_handle())
    }
}

/// What [`Database::begin`] began. It ends when this is dropped.
#[derive(Debug)]
pub struct Begun(tokio::task::AbortHandle);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn retry<T, F>(pool: PgPool, patience_ms: u64, attempt: impl Fn(PgPool) -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let until = Instant::now() + Duration::from_millis(patience_ms);
    let mut was_away = false;
    loop {
        match attempt(pool.clone()).await {
            Err(error) if is_away(&error) && Instant::now() < until => {
                if !was_away {
                    tracing::warn!(%error, "the database is away; trying again");
                }
                was_away = true;
                tokio::time::sleep(Duration::from_millis(limits::RETRY_MS)).await;
            }
            result => return result,
        }
    }
}

fn migrator() -> Migrator {
    let migration = |(version, name, sql)| {
        let sql = AssertSqlSafe(sql).into_sql_str();
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(MIGRATIONS.into_iter().map(migration).collect())
}

/// A task whose result never came has panicked, or its runtime has ended under it.
fn resume<T>(task: Result<(), tokio::task::JoinError>) -> T {
    match task {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        ended => unreachable!("the runtime ended before those who hold it: {ended:?}"),
    }
}

/// Whether another attempt may meet a database that has come back.
pub(crate) fn is_away(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::PoolTimedOut | Error::WorkerCrashed => {
            true
        }
        // Shut down, starting, out of connections, or it gave up a transaction for another one.
        Error::Database(told) => told
            .code()
            .is_some_and(|code| ["08", "40", "53", "57P"].iter().any(|class| code.starts_with(class))),
        _ => false,
    }
}
