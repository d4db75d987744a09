//! Short messages in the corner that leave by themselves.

/// How a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something was done.
    Done,
    /// Something was refused; it says what to do.
    Problem,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// What it says.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
    /// Whether it offers to undo.
    pub undo: bool,
    /// When it came, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// The messages that are shown, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Toasts {
    shown: Vec<Toast>,
}

impl Toasts {
    const DONE_MS: u64 = 4_000;
    const PROBLEM_MS: u64 = 9_000;
    const MOST: usize = 3;

    /// Shows a message; the oldest gives way when there are too many.
    pub fn push(&mut self, toast: Toast) {
        self.shown.retain(|shown| shown.text != toast.text);
        self.shown.push(toast);
        let over = self.shown.len().saturating_sub(Self::MOST);
        self.shown.drain(..over);
    }

    /// Lets messages go whose time is over. Returns milliseconds until the next one goes.
    pub fn expire(&mut self, now_ms: u64) -> Option<u64> {
        let ends = |toast: &Toast| {
            toast.since_ms + if toast.tone == Tone::Done { Self::DONE_MS } else { Self::PROBLEM_MS }
        };
        self.shown.retain(|toast| ends(toast) > now_ms);
        self.shown.iter().map(|toast| ends(toast).saturating_sub(now_ms)).min()
    }

    /// Takes away one message.
    pub fn dismiss(&mut self, at: usize) {
        if at < self.shown.len() {
            self.shown.remove(at);
        }
    }

    /// What is shown.
    pub fn shown(&self) -> &[Toast] {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_in_time_and_problems_stay_longer() {
        let toast = |text: &str, tone| Toast { text: text.into(), tone, undo: false, since_ms: 0 };
        let mut toasts = Toasts::default();
        toasts.push(toast("moved", Tone::Done));
        toasts.push(toast("refused", Tone::Problem));
        toasts.push(toast("moved", Tone::Done));
        assert_eq!(toasts.shown().len(), 2);
        assert_eq!(toasts.expire(1_000), Some(3_000));
        assert_eq!(toasts.expire(5_000), Some(4_000));
        assert_eq!(toasts.expire(9_000), None);
    }
}
