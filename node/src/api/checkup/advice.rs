//! What to do about a step that fails: in commands where somebody types, in what to press where they see.

use serde::{Deserialize, Serialize};

/// See the module. In JSON it stands as it is said on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Advice {
    /// No node runs here.
    StartNode,
    /// It listens nowhere.
    Listen,
    /// It is not found.
    NameAddress,
    /// It does not answer where it was.
    LookWhetherItRuns,
    /// Another device answers there.
    NameNewAddress,
    /// Nothing answers.
    TryFromThere,
    /// It cannot be dialled, for another reason.
    LookAtBoth,
    /// It speaks another version.
    Update,
    /// It has no workspace in common with this device.
    Join,
    /// The connection did not last.
    WaitOrLook,
    /// A ticket was refused.
    NewTicket,
    /// One of both takes the other for somebody who is not in.
    CompareMembers,
    /// Sync is off.
    SyncOn,
    /// This device itself has trouble.
    LookAtThisDevice,
    /// The other one cannot be relied on.
    AskWhoRunsIt,
}

impl Advice {
    const ALL: [Self; 15] = [
        Self::StartNode,
        Self::Listen,
        Self::NameAddress,
        Self::LookWhetherItRuns,
        Self::NameNewAddress,
        Self::TryFromThere,
        Self::LookAtBoth,
        Self::Update,
        Self::Join,
        Self::WaitOrLook,
        Self::NewTicket,
        Self::CompareMembers,
        Self::SyncOn,
        Self::LookAtThisDevice,
        Self::AskWhoRunsIt,
    ];

    /// For who types commands.
    pub const fn in_commands(self) -> &'static str {
        self.words().0
    }

    /// For who looks at the app's windows.
    pub const fn in_the_app(self) -> &'static str {
        self.words().1
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::StartNode => (
                "start `velo node` or the app, and ask again",
                "close Velo and start it again: it runs without its network",
            ),
            Self::Listen => (
                "see the log file in `logs`, or start `velo node --listen /ip4/0.0.0.0/tcp/0`",
                "look whether this device has a network, then start Velo again. \"Diagnostics…\" on the page of \
                 peers writes down why it does not listen",
            ),
            Self::NameAddress => (
                "is Velo running there, in the same network? Guest networks and containers keep devices from \
                 finding each other: then `velo peers add ADDRESS` with one that `velo status` prints there",
                "is Velo running there, in the same network? Guest networks keep devices from finding each \
                 other: then press \"Add by address\" on the page of peers, with an address that stands at the \
                 foot of that page there",
            ),
            Self::LookWhetherItRuns => (
                "Velo does not run there, or listens at another port: `velo status` there prints its addresses",
                "Velo does not run there, or listens at another port: its addresses stand at the foot of its \
                 page of peers",
            ),
            Self::NameNewAddress => (
                "its address is somebody else's now: `velo peers add ADDRESS` with one that `velo status` prints \
                 there",
                "its address is somebody else's now: press \"Add by address\" on the page of peers, with one that \
                 stands at the foot of that page there",
            ),
            Self::TryFromThere => {
                let words = "it is off, in another network, or a firewall lies between: try from there, too";
                (words, words)
            }
            Self::LookAtBoth => {
                let words = "look whether Velo runs there, and whether both devices are in one network";
                (words, words)
            }
            Self::Update => {
                let words = "bring both devices to the same version of Velo";
                (words, words)
            }
            Self::Join => (
                "let one of both join: `velo invite` there, and `velo join TICKET` here",
                "let one of both join: press \"Invite somebody\" there, and take the ticket with \"Join by ticket\" here",
            ),
            Self::WaitOrLook => {
                let words = "nothing, if it went offline: it is dialled again by itself. Otherwise look whether Velo \
                     runs there";
                (words, words)
            }
            Self::NewTicket => (
                "make a new ticket: `velo invite`",
                "make a new ticket: press \"Invite somebody\" on the page of members",
            ),
            Self::CompareMembers => (
                "look at both devices who is in: `velo member list`, and at `velo status` there",
                "look at both devices who is in, on the page of members",
            ),
            Self::SyncOn => (
                "`velo sync`, or `velo workspace auto-sync on`",
                "press \"Sync now\" on the page of peers, or turn \"Automatic sync\" on there",
            ),
            Self::AskWhoRunsIt => {
                let words = "ask who runs it whether its disk is sound; another relay can take its place";
                (words, words)
            }
            Self::LookAtThisDevice => (
                "`velo doctor` without a name tells of this device itself",
                "what stands above the page tells of this device itself",
            ),
        }
    }
}

impl From<Advice> for String {
    fn from(advice: Advice) -> Self {
        advice.in_commands().to_owned()
    }
}

impl TryFrom<String> for Advice {
    type Error = String;

    fn try_from(words: String) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|advice| advice.in_commands() == words);
        found.ok_or_else(|| format!("no such advice: {words}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_press_a_command() {
        for advice in Advice::ALL {
            assert!(!advice.in_the_app().contains('`'), "{advice:?}");
            let json = serde_json::to_value(advice).unwrap();
            assert_eq!(json, advice.in_commands());
            assert_eq!(serde_json::from_value::<Advice>(json).unwrap(), advice);
        }
    }
}
