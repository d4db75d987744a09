//! Runs that come by another way than a session.

use crate::device::{Device, pair};
use velo_protocol::{
    crypto::Sig,
    id::{DeviceId, WorkspaceId},
    log::Run,
    replica::{Command, NotTaken, Refusal, Reply},
};

fn take(
    to: &mut Device,
    workspace: WorkspaceId,
    device: DeviceId,
    runs: Vec<Run>,
) -> Result<Vec<Option<NotTaken>>, Refusal> {
    match to.command(Command::TakeRuns { workspace, device: Some(device), runs })? {
        Reply::RunsTaken(answers) => Ok(answers.iter().map(|answer| answer.not_taken).collect()),
        other => panic!("{other:?}"),
    }
}

/// What Ben wrote since Anna heard of him.
fn news(anna: &Device, ben: &mut Device, workspace: WorkspaceId) -> Vec<Run> {
    let (own, heads) = (ben.own_log(workspace), anna.heads(workspace));
    let known = heads.iter().find(|(log, _)| *log == own).map_or(0, |(_, head)| head.position);
    for number in 0..300 {
        ben.edit(workspace, 100 + number);
    }
    ben.own_runs(workspace, known)
}

#[test]
fn runs_are_taken_once_and_acknowledged_again() {
    let (mut anna, mut ben, workspace) = pair();
    let runs = news(&anna, &mut ben, workspace);
    assert!(runs.len() > 1);
    let all = vec![None; runs.len()];
    assert_eq!(take(&mut anna, workspace, ben.id(), runs.clone()), Ok(all.clone()));
    let (own, held) = (ben.own_end(workspace), anna.heads(workspace));
    assert!(held.iter().any(|(log, head)| *log == ben.own_log(workspace) && head.position == own));
    let entries = held.iter().map(|(_, head)| head.position).sum::<u64>();
    assert_eq!(take(&mut anna, workspace, ben.id(), runs), Ok(all));
    let again = anna.heads(workspace).iter().map(|(_, head)| head.position).sum::<u64>();
    assert_eq!(again, entries, "nothing came twice");
    let elsewhere = WorkspaceId([9; 32]);
    assert_eq!(take(&mut anna, elsewhere, ben.id(), Vec::new()), Err(Refusal::NoWorkspace(elsewhere)));
}

#[test]
fn a_run_that_does_not_fit_stops_no_other() {
    let (mut anna, mut ben, workspace) = pair();
    let runs = news(&anna, &mut ben, workspace);
    let mut forged = runs[0].clone();
    forged.seal = Sig([7; 64]);
    let mixed = vec![runs[1].clone(), forged, runs[0].clone(), runs[1].clone()];
    let answers = take(&mut anna, workspace, ben.id(), mixed);
    assert_eq!(answers, Ok(vec![Some(NotTaken::Gap), Some(NotTaken::Invalid), None, None]));
    assert!(anna.disconnected().is_none());
}
