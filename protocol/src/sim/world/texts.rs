//! Long texts, read a second time: every character an object, walked by recursion.

use super::reference::Reference;
use crate::{
    id::OpId,
    keys::ciphers::Ciphers,
    model::{EntityKey, Field},
    op::{DataBody, Op, Scope},
    text::naive::{Done, Naive},
    workspace::Workspace,
};
use std::collections::BTreeMap;

/// Every edit of every text that somebody with these keys can read.
fn edits(reference: &Reference, ciphers: &Ciphers) -> BTreeMap<(EntityKey, Field), Vec<Done>> {
    let mut edits: BTreeMap<_, Vec<Done>> = BTreeMap::new();
    for (ready, origin, effective) in reference.contents() {
        let entry = ready.entry();
        let contents = ready.open(ciphers);
        let Some(Ok(body)) = contents.plain().map(DataBody::read) else { continue };
        let scope = Scope::of(entry.header.kind, origin.person);
        for (index, key, op) in body.ops().filter(|(_, key, op)| scope.check(*key, op).is_ok()) {
            if let Op::Edit { field, splices, .. } = op {
                let id = OpId { entry: entry.id.prefix(), index };
                edits.entry((key, *field)).or_default().push((id, splices.clone(), effective));
            }
        }
    }
    edits
}

/// What a state shows of each text is what the rule makes of its edits. Returns how many texts several
/// edits made, and how many of those some edit without effect stands in.
pub(super) fn check(reference: &Reference, state: &Workspace) -> Result<[u64; 2], String> {
    let (mut merged, mut cut) = (0, 0);
    for ((key, field), done) in edits(reference, state.ciphers()) {
        if state.text(key, field) != Naive::read((key, field), &done) {
            return Err(format!("a text of {} edits says something else than its edits make it", done.len()));
        }
        merged += u64::from(done.len() > 1);
        cut += u64::from(done.len() > 1 && done.iter().any(|(.., effective)| !effective));
    }
    Ok([merged, cut])
}
