//! Makes a plan that fails shorter: which steps bring the failure about?
//!
//! Steps are left out, half of them at first, then ever fewer at a time (delta debugging: Zeller and
//! Hildebrandt, 2002), as long as the plan fails in the same way. What the network does by chance is not
//! the same in a shorter plan, so a failure that hangs on that may need more steps than it should.

use super::{Plan, play};

/// A plan that fails, after steps were left out.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// What is left.
    pub plan: Plan,
    /// How it fails.
    pub what: String,
    /// How many plans were tried.
    pub tried: usize,
}

/// Makes a plan shorter that fails with the words `what`, trying at most so many shorter ones.
pub fn shrink(plan: Plan, what: String, tries: usize) -> Shrunk {
    let mut shrunk = Shrunk { plan, what, tried: 0 };
    for calm in [calm_network, calm_disks, one_identity, nobody_late] {
        let mut plan = shrunk.plan.clone();
        calm(&mut plan);
        shrunk.try_plan(plan);
    }
    let mut part = shrunk.plan.steps.len().div_ceil(2);
    while part > 0 && shrunk.tried < tries {
        if !shrunk.leave_out(part, tries) || part > shrunk.plan.steps.len() {
            part /= 2;
        }
    }
    shrunk
}

fn calm_network(plan: &mut Plan) {
    (plan.loss, plan.duplication, plan.reordering) = (0, 0, 0);
}

fn calm_disks(plan: &mut Plan) {
    (plan.crashes, plan.disk_faults) = (false, 0);
}

fn one_identity(plan: &mut Plan) {
    plan.second_device = false;
}

fn nobody_late(plan: &mut Plan) {
    plan.late = None;
}

impl Shrunk {
    /// Leaves out `part` steps at a time, wherever it still fails. Returns whether it did anywhere.
    fn leave_out(&mut self, part: usize, tries: usize) -> bool {
        let (mut from, mut shorter) = (0, false);
        while from < self.plan.steps.len() && self.tried < tries {
            let mut plan = self.plan.clone();
            let to = (from + part).min(plan.steps.len());
            plan.steps.drain(from..to);
            if self.try_plan(plan) {
                shorter = true;
            } else {
                from = to;
            }
        }
        shorter
    }

    /// Takes a plan in place of this one if it fails in the same way.
    fn try_plan(&mut self, plan: Plan) -> bool {
        if plan == self.plan {
            return false;
        }
        self.tried += 1;
        match play(plan.clone()) {
            Err(what) if kind(&what) == kind(&self.what) => {
                (self.plan, self.what) = (plan, what);
                true
            }
            _ => false,
        }
    }
}

/// What a failure is but for which device, log or number it is about.
fn kind(what: &str) -> String {
    let is_id = |word: &str| word.chars().any(|char| char.is_ascii_digit());
    what.split(' ').filter(|word| !is_id(word)).collect::<Vec<_>>().join(" ")
}
