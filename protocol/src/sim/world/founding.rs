//! How devices become members, and what is noted of what they put out.

use super::{EPOCH_MS, Happening, World};
use crate::{
    access::Role,
    replica::{Command, Output, Reply},
};

/// How often somebody tries to found or join, a second each, before the schedule fails. A crash takes some
/// tries, and a question for entries that is lost takes 40.
const TRIES: usize = 240;

impl World {
    /// The first device founds a workspace and the others join it, under fire.
    pub(super) fn found(&mut self) -> Result<(), String> {
        self.at(self.now_ms, Happening::Redial);
        let create = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Person 0".into() };
        self.enter(0, &create)?;
        let record = self.devices[0].disk.record.as_ref().ok_or("no record")?;
        let workspace = record.id;
        self.workspace = Some(workspace);
        let invite = Command::Invite {
            workspace,
            role: Role::Member,
            single_use: false,
            expires_ms: EPOCH_MS * 2,
            addresses: vec![],
        };
        let mut ticket = None;
        for _ in 0..TRIES {
            if let Some(Reply::Ticket(given)) = self.ask(0, invite.clone())? {
                ticket = Some(given);
                break;
            }
        }
        let ticket = ticket.ok_or("inviting failed")?;
        for device in 1..self.devices.len() {
            if self.plan.late == Some(device) {
                continue;
            }
            if self.is_taken_in(device) {
                self.take_in(device)?;
                continue;
            }
            let person_name = format!("Person {device}");
            self.enter(device, &Command::Join { ticket: ticket.clone(), person_name })?;
        }
        Ok(())
    }

    /// Founds or joins: again, if a crash or the disk undid it.
    fn enter(&mut self, device: usize, command: &Command) -> Result<(), String> {
        for tries in 0..TRIES {
            self.ask(device, command.clone())?;
            if self.devices[device].is_member() {
                return Ok(());
            }
            if tries == 0 {
                self.coverage.count("founding or joining undone");
            }
        }
        Err(format!("device {device} did not become a member"))
    }

    /// Notes an output, so that two runs can be compared.
    pub(super) fn note(&mut self, device: usize, output: &Output) {
        self.trace.update(&[device as u8]);
        match output {
            Output::Send { peer, frame } => {
                self.trace.update(&peer.0).update(frame);
            }
            Output::Persist { id, batch, .. } => {
                self.trace.update(&id.to_le_bytes());
                for run in &batch.runs {
                    self.trace.update(&run.run.bytes).update(&run.run.seal.0);
                }
            }
            other => {
                self.trace.update(format!("{other:?}").as_bytes());
            }
        }
    }
}
