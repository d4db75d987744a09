//! Who waits for changes is woken when a relay on this database appends: it notifies the others within its
//! transaction.

use crate::{
    database::{Begun, Database},
    limits,
    store::APPENDED,
};
use sqlx::{Error, postgres::PgListener};
use std::time::Duration;
use tokio::sync::broadcast;

/// Names no workspace: anything may have come.
const ANY: i32 = -1;
/// Wakes that one waiter may be behind. Then it looks.
const QUEUE: usize = 256;

/// See the module. One connection hears for all who wait.
#[derive(Debug)]
pub(crate) struct Arrivals {
    told: broadcast::Sender<i32>,
    _hearing: Begun,
}

/// Somebody who waits.
#[derive(Debug)]
pub(crate) struct Waiter(broadcast::Receiver<i32>);

impl Arrivals {
    /// Listens from now on.
    pub fn listen(database: &Database) -> Self {
        let (told, _) = broadcast::channel(QUEUE);
        let (pool, teller) = (database.apart(), told.clone());
        let hearing = database.begin(async move {
            loop {
                if let Err(error) = hear(&pool, &teller).await {
                    tracing::warn!(%error, "changes are not heard at the moment; trying again");
                }
                tokio::time::sleep(Duration::from_millis(limits::RETRY_MS)).await;
            }
        });
        Self { told, _hearing: hearing }
    }

    /// Hears what comes from now on: call it before looking at what is there.
    pub fn waiter(&self) -> Waiter {
        Waiter(self.told.subscribe())
    }
}

async fn hear(pool: &sqlx::PgPool, told: &broadcast::Sender<i32>) -> Result<(), Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(APPENDED).await?;
    // What was appended while nobody heard it. Nobody may be waiting.
    let _ = told.send(ANY);
    loop {
        // `None`: the connection was lost, and is another one now.
        let heard = listener.try_recv().await?;
        let workspace = heard.and_then(|heard| heard.payload().parse().ok());
        let _ = told.send(workspace.unwrap_or(ANY));
    }
}

impl Waiter {
    /// Returns when something may have been appended to the workspace of this number.
    pub async fn wait(&mut self, number: i32) {
        while self.next().await.is_some_and(|told| told != number) {}
    }

    /// Returns the number of the next workspace to which something was appended; none, if it may be any.
    pub async fn next(&mut self) -> Option<i32> {
        match self.0.recv().await {
            Ok(told) => Some(told).filter(|told| *told != ANY),
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            // Nobody tells any more: the relay is ending.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
