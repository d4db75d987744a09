//! Asking the operator of a relay whether it carries a workspace.
//!
//! The operator's tokens may lie in a database that is away: nobody waits for it but who asked.

use super::{Driver, Input};
use crate::{limits, operator::Operator};
use std::sync::Arc;
use tokio::sync::mpsc;
use velo_protocol::{id::DeviceId, message::CarryOffer};

const NO_RELAY: &str = "that device carries for nobody: where a relay is meant to be, start `velo-relay`";
const BUSY: &str = "it is asked too much at the moment: try again in a minute";

/// The operator, and what it is asked.
pub(super) struct Carrying {
    operator: Option<Arc<dyn Operator>>,
    answers: mpsc::UnboundedSender<Input>,
    decided: mpsc::UnboundedReceiver<Input>,
    /// How many answers are still to come.
    under_way: usize,
}

impl Carrying {
    pub fn new(operator: Option<Arc<dyn Operator>>) -> Self {
        let (answers, decided) = mpsc::unbounded_channel();
        Self { operator, answers, decided, under_way: 0 }
    }

    /// The next answer.
    pub async fn decided(&mut self) -> Option<Input> {
        let decided = self.decided.recv().await;
        self.under_way = self.under_way.saturating_sub(1);
        decided
    }
}

impl Driver {
    /// Asks the operator, who answers with an input.
    pub(super) fn ask_operator(&mut self, peer: DeviceId, offer: CarryOffer) {
        let declined = |words: &str| Err(words.to_owned());
        let operator = match &self.carrying.operator {
            None => Err(NO_RELAY),
            Some(_) if self.carrying.under_way >= limits::OPERATOR_ASKED => Err(BUSY),
            Some(operator) => Ok(Arc::clone(operator)),
        };
        match operator {
            Err(words) => {
                self.next_inputs.push_back(Input::CarryDecided { peer, offer, decision: declined(words) });
            }
            Ok(operator) => {
                self.carrying.under_way += 1;
                let (answers, data_dir) = (self.carrying.answers.clone(), self.shared.data_dir.clone());
                self.shared.runtime.spawn_blocking(move || {
                    let decision = operator.admits(&data_dir, offer.workspace, &offer.token);
                    // A driver that is gone asks no more.
                    let _ = answers.send(Input::CarryDecided { peer, offer, decision });
                });
            }
        }
    }
}
