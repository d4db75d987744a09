//! Why a request was not carried out.

use serde::{Deserialize, Serialize};

/// One way in which a request fails. Nothing was changed, unless the variant says otherwise.
///
/// The name in snake case is the stable `code` of JSON output, and [`ApiError::exit_code`] what the
/// command line exits with. The message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", content = "detail", rename_all = "snake_case")]
pub enum ApiError {
    /// Nobody has introduced themselves on this device.
    #[error("this device does not know who you are yet: run `velo init --name YOURNAME`")]
    NoIdentity,
    /// There is nothing to work in.
    #[error("there is no workspace on this device: run `velo workspace create NAME` or `velo join TICKET`")]
    NoWorkspace,
    /// A reference that fits nothing.
    #[error("there is no {kind}{}: {hint}", quoted(text))]
    NotFound {
        /// What was looked for.
        kind: String,
        /// What was given.
        text: String,
        /// Where to see what there is.
        hint: String,
    },
    /// A reference that fits several things.
    #[error("\"{text}\" fits several {kind}s; say which:\n{}", .candidates.join("\n"))]
    Ambiguous {
        /// What was looked for.
        kind: String,
        /// What was given.
        text: String,
        /// What it fits, a line each, the id first.
        candidates: Vec<String>,
    },
    /// A value that does not fit; says which and what would.
    #[error("{0}")]
    Invalid(String),
    /// The replica refused it.
    #[error("{0}")]
    Refused(String),
    /// The time given is over. What was asked for may still come true.
    #[error("{0}")]
    NotYet(String),
    /// Another process holds the data directory and does not answer.
    #[error("{0}")]
    Busy(String),
    /// The machine failed: the disk, the network, the control socket.
    #[error("{0}")]
    Failed(String),
}

/// What was looked for, unless nothing was named.
fn quoted(text: &str) -> String {
    if text.is_empty() { " yet".to_owned() } else { format!(" \"{text}\"") }
}

/// Every exit code of `velo`, for its help.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, nothing was changed
  2  wrong usage or a value that does not fit
  3  not found, or the name fits several things
  4  not synced yet, or nobody could be reached
  5  set-up is missing: no identity, no workspace
  6  the data directory is held by a process that does not answer";

impl ApiError {
    /// What the command line exits with. See [`EXIT_CODES`].
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Failed(_) => 1,
            Self::Invalid(_) => 2,
            Self::NotFound { .. } | Self::Ambiguous { .. } => 3,
            Self::NotYet(_) => 4,
            Self::NoIdentity | Self::NoWorkspace => 5,
            Self::Busy(_) => 6,
        }
    }

    /// A reference that fits nothing.
    pub(crate) fn not_found(kind: &str, text: &str, hint: &str) -> Self {
        Self::NotFound { kind: kind.to_owned(), text: text.to_owned(), hint: hint.to_owned() }
    }

    /// As JSON: `{"error": {"code", "detail", "message"}}`.
    pub fn to_json(&self) -> serde_json::Value {
        let mut error = serde_json::to_value(self).unwrap_or_default();
        error["message"] = self.to_string().into();
        serde_json::json!({ "error": error })
    }
}

impl From<velo_protocol::model::SchemaError> for ApiError {
    fn from(error: velo_protocol::model::SchemaError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<crate::handle::NodeError> for ApiError {
    fn from(error: crate::handle::NodeError) -> Self {
        use crate::{blobs::content::ContentFault, data_dir::DataDirError, handle::NodeError};
        use velo_protocol::replica::Refusal;
        let message = error.to_string();
        match error {
            NodeError::Refused(Refusal::Change(_) | Refusal::Ticket(_))
            | NodeError::Address { .. }
            | NodeError::File { .. }
            | NodeError::NotRemembered(_) => Self::Invalid(message),
            NodeError::Refused(_) | NodeError::Unread | NodeError::PlaceTaken(_) => Self::Refused(message),
            NodeError::Offline | NodeError::Content(ContentFault::NotHere) => Self::NotYet(message),
            NodeError::Busy | NodeError::DataDir(DataDirError::Held { .. }) => Self::Busy(message),
            _ => Self::Failed(message),
        }
    }
}
