//! Frames from a stranger: a replica with a workspace neither panics nor tells anything of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use velo_protocol::{
    id::{DeviceId, WorkspaceId},
    message::Message,
    replica::{Command, Identity, Input, Logs, Output, Replica},
    store::{LogReader, LogStore, memory::MemoryLog},
    time::Now,
};

struct One(<MemoryLog as LogStore>::Reader);

impl Logs for One {
    fn reader(&self, _: WorkspaceId) -> Option<&dyn LogReader> {
        Some(&self.0)
    }
}

fuzz_target!(|frames: Vec<Vec<u8>>| {
    let mut replica = Replica::new(Identity::from_seeds([1; 32], &[2; 32]), [3; 32]);
    let logs = One(MemoryLog::new().reader());
    let now = Now { wall_ms: 1, mono_ms: 1 };
    let peer = DeviceId([4; 32]);
    let create = Command::CreateWorkspace { name: "Secret".into(), person_name: "Anna".into() };
    replica.handle(now, Input::Command { request: 1, command: create }, &logs);
    replica.handle(now, Input::PeerUp { peer }, &logs);
    for frame in frames {
        replica.handle(now, Input::Received { peer, frame }, &logs);
    }
    while let Some(output) = replica.poll() {
        if let Output::Send { frame, .. } = output {
            let message = Message::decode(&frame).expect("own frames are readable");
            assert!(matches!(message, Message::Hello(_) | Message::Auth(_)), "told a stranger {message:?}");
        }
    }
});
