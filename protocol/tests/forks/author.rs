//! A device that signs whatever it likes.

use velo_protocol::{
    codec,
    control::{CONTROL_VERSION, Join, Link},
    id::{EntityId, EntryId, Incarnation, LogId, WorkspaceId},
    log::{self, ChainEnd, EntryKind, HEADER_VERSION, Header, Origin, Run, RunWriter},
    model::{ALIVE, EntityKey, Kind, task},
    op::{DataBody, Group, Op},
    replica::Identity,
    ticket::Ticket,
    time::Hlc,
    value::Value,
};

/// One branch of a log, up to where it was written. A clone goes on as another branch.
#[derive(Clone)]
pub struct Author {
    workspace: WorkspaceId,
    identity: Identity,
    /// What its role rests on, if it has one.
    grant: Option<EntryId>,
    /// What the next entry must cite.
    cites: Option<EntryId>,
    pub origin: Origin,
    pub end: ChainEnd,
}

impl Author {
    /// The empty log of a device, a person's only one. Equal seeds are equal devices.
    pub fn new(workspace: WorkspaceId, seed: u8) -> Self {
        let identity = Identity::from_seeds([seed; 32], &[seed ^ 0x80; 32]);
        let (person, device) = (identity.person, identity.device_id());
        let origin = Origin { person, device, incarnation: Incarnation([seed; 8]), founder: false };
        Self {
            workspace,
            identity,
            grant: None,
            cites: None,
            origin,
            end: ChainEnd::start(origin.log_id(workspace)),
        }
    }

    /// Another empty log of the device.
    pub fn incarnation(&self, number: u64) -> Self {
        let origin = Origin { incarnation: Incarnation(number.to_le_bytes()), ..self.origin };
        let end = ChainEnd::start(origin.log_id(self.workspace));
        Self { origin, end, cites: self.grant, ..self.clone() }
    }

    pub fn log(&self) -> LogId {
        self.origin.log_id(self.workspace)
    }

    /// The last entry written.
    pub fn head(&self) -> EntryId {
        self.end.head.id
    }

    /// The entry that introduces the device.
    pub fn link(&mut self) -> Run {
        self.link_naming(&self.grant.into_iter().collect::<Vec<_>>())
    }

    /// The entry by which the device's person comes in.
    pub fn join(&mut self, ticket: &Ticket) -> Run {
        let (key, who) = (ticket.invite_key(), self.identity.introduction());
        let join = Join::new(self.workspace, ticket.invite, &key, &self.origin, who);
        self.cites = Some(ticket.invite);
        let run = self.run([(EntryKind::JOIN, vec![ticket.invite], codec::encode(&join))]);
        (self.grant, self.cites) = (Some(self.head()), Some(self.head()));
        run
    }

    /// The same, naming these.
    pub fn link_naming(&mut self, deps: &[EntryId]) -> Run {
        let body = codec::encode(&Link { version: CONTROL_VERSION, chain: self.identity.chain.clone() });
        self.run([(EntryKind::LINK, deps.to_vec(), body)])
    }

    /// An entry that makes a task, and names these.
    pub fn task(&mut self, title: &str, deps: &[EntryId]) -> Run {
        let body = task_body(title);
        self.run([(EntryKind::DATA, deps.to_vec(), body)])
    }

    /// An entry that only names these.
    pub fn ack(&mut self, deps: &[EntryId]) -> Run {
        self.run([(EntryKind::ACK, deps.to_vec(), Vec::new())])
    }

    /// One run per checkpoint, until so many entries are written.
    pub fn many(&mut self, count: usize) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut left = count;
        while left > 0 {
            let room = log_room(&self.end).min(left);
            runs.push(self.run((0..room).map(|_| (EntryKind::ACK, Vec::new(), Vec::new()))));
            left -= room;
        }
        runs
    }

    pub fn run(&mut self, entries: impl IntoIterator<Item = (EntryKind, Vec<EntryId>, Vec<u8>)>) -> Run {
        let mut writer = self.writer();
        for (kind, deps, body) in entries {
            self.push(&mut writer, kind, deps, &body);
        }
        self.seal(writer)
    }

    /// Begins a run at the end of the log.
    pub fn writer(&self) -> RunWriter {
        RunWriter::new(self.log(), self.origin, self.end)
    }

    /// Appends one entry to a run.
    pub fn push(
        &mut self,
        writer: &mut RunWriter,
        kind: EntryKind,
        deps: Vec<EntryId>,
        body: &[u8],
    ) -> EntryId {
        let header = Header {
            version: HEADER_VERSION,
            kind,
            hlc: Hlc::from_ms(1_767_225_600_000 + self.end.head.position),
            auth: self.cites.take(),
            deps,
            epoch: None,
            salt: [0; 8],
            body_len: 0,
        };
        writer.push(header, body).unwrap()
    }

    /// Ends a run.
    pub fn seal(&mut self, writer: RunWriter) -> Run {
        let run = writer.seal(self.workspace, &self.identity.device).unwrap();
        self.end = run.end();
        run.run().clone()
    }
}

fn log_room(end: &ChainEnd) -> usize {
    let since = if end.checkpoint_due() { 0 } else { end.entries };
    (velo_protocol::limits::CHECKPOINT_ENTRIES - since) as usize
}

fn task_body(title: &str) -> Vec<u8> {
    let hash = log::entry_id(EntryId([0; 32]), title.as_bytes(), &[]);
    let mut id = [0; 16];
    id.copy_from_slice(&hash.0[..16]);
    let set = |slot, value| Op::Set { slot, value, replaces: Vec::new() };
    let ops = vec![set(ALIVE.field.into(), Value::Bool(true)), set(task::TITLE.into(), Value::text(title))];
    codec::encode(&DataBody::new(vec![Group { key: EntityKey::new(Kind::Task, EntityId(id)), ops }]))
}
