//! What happens in the demo, in order.

use super::{
    Demo, Stage,
    edits::Edits,
    live,
    peer::Peer,
    report::{Latency, Report},
};
use crate::api::{
    Action, ApiError,
    conflict::{self, ConflictRow},
    import, invite, task, workspace,
};
use crate::{api::status::Current, import::DEMO_BOARD};
use serde_json::Value as Json;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How often [`Stage::step`] is called.
pub(super) const STEPS: u64 = 8;
/// How long the peers may take to agree.
const AGREE: Duration = Duration::from_mins(1);

/// The three people.
pub(super) struct Cast {
    /// Founds the workspace.
    pub anna: Peer,
    /// Joins it.
    pub ben: Peer,
    /// Joins it too.
    pub chi: Peer,
    /// Holds all three folders.
    home: tempfile::TempDir,
}

impl Cast {
    fn new() -> Result<Self, ApiError> {
        let home = tempfile::Builder::new().prefix("velo-demo-").tempdir();
        let home = home.map_err(|error| ApiError::Failed(format!("making a temporary folder: {error}")))?;
        let [anna, ben, chi] = ["Anna", "Ben", "Chi"].map(|name| Peer::new(name, home.path()));
        Ok(Self { anna: anna?, ben: ben?, chi: chi?, home })
    }

    fn all(&self) -> [&Peer; 3] {
        [&self.anna, &self.ben, &self.chi]
    }

    async fn start(&mut self, online: bool) -> Result<(), ApiError> {
        for peer in [&mut self.anna, &mut self.ben, &mut self.chi] {
            peer.start(online).await?;
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<(), ApiError> {
        for peer in [&mut self.anna, &mut self.ben, &mut self.chi] {
            peer.stop().await?;
        }
        Ok(())
    }

    /// Waits until all three show the same, and says what they show then.
    async fn agree(&self) -> Result<Agreement, ApiError> {
        let start = Instant::now();
        loop {
            let anna = self.anna.current().await?;
            let left = AGREE.saturating_sub(start.elapsed());
            for peer in [&self.ben, &self.chi] {
                // Anna's own state may move on meanwhile: look again soon.
                peer.wait_for(&anna.state_hash, left.min(Duration::from_millis(250))).await?;
            }
            let mut states = Vec::new();
            for peer in self.all() {
                states.push(peer.current().await?);
            }
            let equal = states.iter().all(|one| one.state_hash == anna.state_hash);
            if equal || left.is_zero() {
                let hashes = states.into_iter().map(|one| one.state_hash).collect();
                return Ok(Agreement { equal, took: start.elapsed(), state: anna, hashes });
            }
        }
    }
}

/// Whether three peers show the same.
pub(super) struct Agreement {
    /// Whether they do.
    pub equal: bool,
    took: Duration,
    state: Current,
    /// Of every peer.
    pub hashes: Vec<String>,
}

/// Plays the whole demo.
pub(super) async fn play(demo: &Demo, stage: &Stage) -> Result<Report, ApiError> {
    let mut cast = Cast::new()?;
    stage.step("Starting three peers");
    cast.start(true).await?;
    introduce(&cast, stage);
    stage.step("Anna imports a board, Ben and Chi join");
    let first = share_board(&cast, demo, stage).await?;
    stage.step("Anna edits, Ben watches");
    let live = live_edits(&cast, demo.edits).await?;
    stage.tell(&format!("{} edits by Anna reached Ben in {}.", demo.edits, live));
    stage.step("All three go offline and edit the same tasks");
    let edits = work_offline(&mut cast, stage).await?;
    stage.step("They come back");
    cast.start(true).await?;
    let reunion = cast.agree().await?;
    stage.step("Looking at what merged");
    let conflicts: Vec<ConflictRow> = cast.anna.ask(Action::Conflict(conflict::Request::List)).await?;
    let merged = edits.merged(&cast).await?;
    stage.step("Ben settles a conflict");
    let (resolved, last) = settle(&cast, &conflicts, stage).await?;
    stage.step("Done");
    cast.stop().await?;
    Ok(Report {
        converged: first.equal && reunion.equal && last.equal && merged.all_there && resolved == 1,
        peers: cast.all().len(),
        entities: first.state.entities,
        conflicts: conflicts.len(),
        resolved,
        open: last.state.conflicts,
        catchup_ms: millis(first.took),
        reunion_ms: millis(reunion.took),
        live,
        sentences: conflicts.into_iter().map(|one| one.sentence).collect(),
        merged: merged.lines,
        state_hashes: last.hashes,
    })
}

fn introduce(cast: &Cast, stage: &Stage) {
    let one = |peer: &Peer| format!("{} (process {})", peer.name, peer.process().unwrap_or_default());
    let names: Vec<_> = cast.all().into_iter().map(one).collect();
    stage.tell(&format!("Three peers on loopback: {}.", names.join(", ")));
}

/// Returns when the board has reached the others, and how long it took from their joining on.
async fn share_board(cast: &Cast, demo: &Demo, stage: &Stage) -> Result<Agreement, ApiError> {
    let create = workspace::Create { name: "Workshop".into(), another: false };
    cast.anna.ask::<Json>(Action::Workspace(workspace::Request::Create(create))).await?;
    let file = board_file(demo.board.as_deref(), cast.home.path())?;
    let source = import::Source { file, dry_run: false, into: None };
    let import = import::Import { format: import::Format::Trello(source) };
    let report: import::Report = cast.anna.ask(Action::Import(import)).await?;
    let told = report.fidelity.imported;
    stage.tell(&format!(
        "Anna imported {}: {} columns, {} tasks, {} comments.",
        report.fidelity.name, told.columns, told.tasks, told.comments
    ));
    let start = Instant::now();
    for peer in [&cast.ben, &cast.chi] {
        let invite = Action::Invite(invite::Invite {
            days: 1,
            role: invite::TicketRole::Member,
            once: false,
            address: Vec::new(),
        });
        let ticket: invite::TicketAnswer = cast.anna.ask(invite).await?;
        let join = workspace::Join { ticket: ticket.ticket, wait: AGREE.as_secs() };
        peer.ask::<Json>(Action::Join(join)).await?;
    }
    let agreement = cast.agree().await?;
    let agreement = Agreement { took: start.elapsed(), ..agreement };
    let told = if agreement.equal { "have the same board" } else { "do not have the same board yet" };
    stage.tell(&format!("Ben and Chi joined and {told} after {} ms.", agreement.took.as_millis()));
    Ok(agreement)
}

fn board_file(given: Option<&Path>, home: &Path) -> Result<PathBuf, ApiError> {
    let failed = |path: &Path, error| ApiError::Failed(format!("opening {}: {error}", path.display()));
    if let Some(path) = given {
        return path.canonicalize().map_err(|error| failed(path, error));
    }
    let path = home.join("board.json");
    std::fs::write(&path, DEMO_BOARD).map_err(|error| failed(&path, error))?;
    Ok(path)
}

/// Anna edits a task of the board, Ben watches.
async fn live_edits(cast: &Cast, count: u32) -> Result<Latency, ApiError> {
    let list = task::List { limit: Some(1), ..task::List::default() };
    let tasks: Vec<task::TaskSummary> = cast.anna.ask(Action::Task(task::Request::List(list))).await?;
    let first = tasks.first();
    let first = first.ok_or_else(|| ApiError::Invalid("the board has no tasks: choose another".into()))?;
    live::edits(&cast.anna, &cast.ben, first.id, count).await
}

async fn work_offline(cast: &mut Cast, stage: &Stage) -> Result<Edits, ApiError> {
    let edits = Edits::prepare(cast).await?;
    cast.agree().await?;
    cast.stop().await?;
    cast.start(false).await?;
    for line in edits.make(cast).await? {
        stage.tell(&format!("  offline: {line}"));
    }
    cast.stop().await?;
    Ok(edits)
}

/// Ben takes the second value of the first conflict, and everybody agrees with him.
async fn settle(
    cast: &Cast,
    conflicts: &[ConflictRow],
    stage: &Stage,
) -> Result<(usize, Agreement), ApiError> {
    for row in conflicts {
        stage.tell(&format!("  conflict: {}", row.sentence));
    }
    if let Some(first) = conflicts.first() {
        let request =
            conflict::Resolve { conflict: first.id.clone(), field: None, pick: Some(2), value: None };
        cast.ben.ask::<Json>(Action::Conflict(conflict::Request::Resolve(request))).await?;
    }
    let last = cast.agree().await?;
    let mut resolved = 0;
    for peer in cast.all() {
        let open = peer.current().await?.conflicts;
        resolved += usize::from(open + 1 == conflicts.len());
    }
    Ok((usize::from(resolved == cast.all().len()), last))
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}
