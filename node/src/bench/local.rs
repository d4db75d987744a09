//! Edits on one device.

use crate::{
    api::{ApiError, date},
    demo::report::Latency,
    handle::{Node, NodeConfig},
    store::log_files::FileReader,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};
use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, task},
    replica::{Command, Event, Input, Logs, Opened, Output, Replica},
    store::LogReader,
    time::Now,
    value::Value,
    workload::Trace,
};

/// Bytes of one bare append: about what a short edit writes.
const BARE_BYTES: [u8; 256] = [7; 256];

/// Edits, and bare appends, in a row. In turns, so that both meet the same machine; in blocks, since
/// the node still notes how far its log reaches when an edit is answered, which would slow the next
/// bare append.
const BLOCK: u32 = 25;
/// For that to end.
const SETTLE: Duration = Duration::from_millis(50);

/// Durable edits, and the disk alone, measured by turns.
pub(super) struct Durable {
    /// From the command to its answer.
    pub edit: Latency,
    /// One append and fdatasync.
    pub bare: Latency,
}

struct One<'a>(WorkspaceId, &'a FileReader);

impl Logs for One<'_> {
    fn reader(&self, workspace: WorkspaceId) -> Option<&dyn LogReader> {
        (workspace == self.0).then_some(self.1 as &dyn LogReader)
    }
}

/// From the command until the changed state is there to be shown, without disk and threads.
pub(super) fn in_memory(trace: &Trace, reader: &FileReader, edits: u32) -> Result<Latency, ApiError> {
    let mut replica = Replica::new(trace.identity.clone(), [0; 32]);
    let logs = One(trace.record.id, reader);
    let opened = replica.open_workspace(trace.record.clone(), Some(trace.state.clone()), reader, false);
    if opened.map_err(|error| ApiError::Failed(error.to_string()))? == Opened::Nothing {
        return Err(ApiError::Failed("the trace has no entries".to_owned()));
    }
    while replica.poll().is_some() {}
    let tasks: Vec<_> = trace.state.shown(Kind::Task).collect();
    let mut latency = Latency::default();
    let started = Instant::now();
    for (number, id) in (0..edits).zip(tasks.iter().cycle()) {
        let mono_ms = started.elapsed().as_millis() as u64;
        let now = Now { wall_ms: date::wall_ms(), mono_ms };
        let input = Input::Command { request: number.into(), command: edit(trace.record.id, *id, number) };
        let start = Instant::now();
        replica.handle(now, input, &logs);
        let mut persisted = Vec::new();
        while let Some(output) = replica.poll() {
            match output {
                Output::Event(Event::Changed { .. }) => latency.add(start.elapsed().as_nanos() as u64),
                Output::Persist { id, .. } => persisted.push(id),
                _ => {}
            }
        }
        for batch in persisted {
            replica.handle(now, Input::Persisted { batch }, &logs);
        }
        while replica.poll().is_some() {}
    }
    Ok(latency)
}

fn edit(workspace: WorkspaceId, task: EntityId, number: u32) -> Command {
    let key = EntityKey::new(Kind::Task, task);
    let value = Value::text(format!("Title number {number}"));
    Command::Edit { workspace, changes: vec![Change::Set { key, slot: task::TITLE.into(), value }] }
}

/// From the command to its answer, through the whole node; and the same disk without it.
pub(super) async fn durable(trace: &Trace, data_dir: &Path, edits: u32) -> Result<Durable, ApiError> {
    let state_dir = Some(data_dir.with_extension("state"));
    let node = Node::start(NodeConfig { state_dir, ..NodeConfig::offline(data_dir.to_owned()) })?;
    let failed = |error: io::Error| ApiError::Failed(format!("measuring the disk: {error}"));
    let path = data_dir.with_extension("bare");
    let mut bare_file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    let tasks: Vec<_> = trace.state.shown(Kind::Task).collect();
    let mut durable = Durable { edit: Latency::default(), bare: Latency::default() };
    for (number, id) in (0..edits).zip(tasks.iter().cycle()) {
        let start = Instant::now();
        node.submit(edit(trace.record.id, *id, number)).await?;
        durable.edit.add(start.elapsed().as_nanos() as u64);
        if number % BLOCK == BLOCK - 1 {
            tokio::time::sleep(SETTLE).await;
            durable.bare_block(&mut bare_file).map_err(failed)?;
        }
    }
    node.shutdown()?;
    Ok(durable)
}

impl Durable {
    fn bare_block(&mut self, file: &mut File) -> io::Result<()> {
        for _ in 0..BLOCK {
            let start = Instant::now();
            append(file)?;
            self.bare.add(start.elapsed().as_nanos() as u64);
        }
        Ok(())
    }
}

fn append(file: &mut File) -> io::Result<()> {
    file.write_all(&BARE_BYTES)?;
    file.sync_data()
}
