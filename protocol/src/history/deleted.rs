//! What was deleted together with something.

use super::ReadEntry;
use crate::{
    change::Change,
    id::OpId,
    model::{ALIVE, EntityKey},
    op::{DataBody, Op},
    store::EntryAt,
    workspace::Workspace,
};
use std::collections::BTreeSet;

/// The same changes, where each that takes a deletion back ([`Change::restored`]) is followed by one for everything inside the
/// entity that the same deletion hid and nobody restored: a project comes back with its columns and
/// tasks, but without the task that was deleted a week before.
pub fn with_contents(workspace: &Workspace, changes: &[Change], read: &ReadEntry<'_>) -> Vec<Change> {
    let mut all = Vec::with_capacity(changes.len());
    for change in changes {
        all.push(change.clone());
        if let Some(key) = change.restored() {
            let inside = deleted_with(workspace, key, read);
            all.extend(inside.into_iter().map(|key| Change::Restore { key }));
        }
    }
    all
}

fn deleted_with(workspace: &Workspace, key: EntityKey, read: &ReadEntry<'_>) -> Vec<EntityKey> {
    let Some(deletion) = last_deletion(workspace, key, read) else { return Vec::new() };
    let mut inside = BTreeSet::from([key]);
    let mut found = Vec::new();
    // A deletion goes from the outside in, so one pass finds everything.
    for other in deleted_keys(&deletion_entries(deletion, read)) {
        if !workspace.is_shown(other) && is_inside(workspace, other, &inside) && inside.insert(other) {
            found.push(other);
        }
    }
    found
}

/// Where the deletion stands that hides the entity's register of existence.
fn last_deletion(workspace: &Workspace, key: EntityKey, read: &ReadEntry<'_>) -> Option<EntryAt> {
    let live: Vec<OpId> = workspace.live(key, &ALIVE.field.into()).iter().map(|value| value.op).collect();
    workspace.touched(key).into_iter().rev().find(|at| {
        let body = read(*at).and_then(|entry| DataBody::read(&entry.body).ok());
        body.is_some_and(|body| {
            body.ops().any(|(_, of, op)| {
                of == key && matches!(op, Op::Delete { lists } if lists.iter().any(|op| live.contains(op)))
            })
        })
    })
}

/// The bodies of the whole transaction of which one entry stands at `at`.
fn deletion_entries(at: EntryAt, read: &ReadEntry<'_>) -> Vec<DataBody> {
    let body_at = |position| {
        let entry = read(EntryAt { position, ..at })?;
        Some((entry.prefix, DataBody::read(&entry.body).ok()?))
    };
    let Some((prefix, body)) = body_at(at.position) else { return Vec::new() };
    let transaction = body.continues.unwrap_or(prefix);
    let belongs = |(prefix, body): &(u64, DataBody)| body.continues.unwrap_or(*prefix) == transaction;
    let back = (1..at.position).rev().map_while(|position| body_at(position).filter(belongs));
    let mut bodies: Vec<DataBody> = back.map(|(_, body)| body).collect();
    bodies.reverse();
    bodies.push(body);
    let on = (at.position + 1..).map_while(|position| body_at(position).filter(belongs));
    bodies.extend(on.map(|(_, body)| body));
    bodies
}

fn deleted_keys(bodies: &[DataBody]) -> impl Iterator<Item = EntityKey> {
    let ops = bodies.iter().flat_map(DataBody::ops);
    ops.filter(|(_, _, op)| matches!(op, Op::Delete { .. })).map(|(_, key, _)| key)
}

fn is_inside(workspace: &Workspace, key: EntityKey, containers: &BTreeSet<EntityKey>) -> bool {
    key.kind.containments().iter().any(|containment| {
        let named = workspace.live(key, &containment.field().into()).first();
        let id = named.and_then(|live| live.value.as_entity());
        id.is_some_and(|id| containers.contains(&containment.container(id)))
    })
}
