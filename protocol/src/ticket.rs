//! A ticket: what somebody needs in order to join a workspace, as a text that can be sent, typed
//! or shown as a QR code.

use crate::{
    armour::{Armour, ArmourError},
    crypto::SecretKey,
    id::{EntryId, PersonId, WorkspaceId},
    keys::{
        secret::{Commitment, EpochKey},
        wrap::ReceivingKey,
    },
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use zeroize::Zeroize;

const ARMOUR: Armour =
    Armour { name: "ticket", prefix: "velo1", version: 1, help: "Ask for a new one with `velo invite`" };

/// Hides from strangers which workspaces a device has. Carried by every ticket, never rotated.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
#[zeroize(drop)]
pub struct SessionSecret(pub [u8; 32]);

impl SessionSecret {
    /// What the founding entry says of it, without giving it away.
    pub fn commitment(&self) -> Commitment {
        EpochKey::from_bytes(self.0).commitment()
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

/// An invitation in the hands of the one invited.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The `Invite` entry that made it.
    pub invite: EntryId,
    /// From which the invite's signing and receiving keys derive.
    pub seed: [u8; 32],
    /// The workspace's session secret.
    pub secret: SessionSecret,
    /// Who invited.
    pub inviter: PersonId,
    /// Until when: milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// Where peers or a relay may be reached, as libp2p multiaddresses.
    pub addresses: Vec<String>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket(workspace {})", self.workspace.short())
    }
}

/// Why a ticket cannot be taken. Each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It is none, or damaged.
    #[error("{0}")]
    Text(#[from] ArmourError),
    /// Too late.
    #[error("the ticket has expired: ask for a new one")]
    Expired,
}

impl Ticket {
    /// The invite's signing key.
    pub fn invite_key(&self) -> SecretKey {
        let seed = zeroize::Zeroizing::new(blake3::derive_key("velo 2026 invite signing key", &self.seed));
        SecretKey::from_seed(&seed)
    }

    /// The invite's receiving key: whoever holds the ticket reads before anybody knows of them.
    pub fn receiving(&self) -> ReceivingKey {
        let seed = zeroize::Zeroizing::new(blake3::derive_key("velo 2026 invite receiving key", &self.seed));
        ReceivingKey::from_seed(&seed)
    }

    /// Refuses a ticket whose time is over.
    pub fn check_expiry(&self, wall_ms: u64) -> Result<(), TicketError> {
        if wall_ms > self.expires_ms { Err(TicketError::Expired) } else { Ok(()) }
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ARMOUR.wrap(self))
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let ticket: Self = ARMOUR.unwrap(text)?;
        ARMOUR.check_addresses(&ticket.addresses)?;
        Ok(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            workspace: WorkspaceId([1; 32]),
            invite: EntryId([6; 32]),
            seed: [2; 32],
            secret: SessionSecret([3; 32]),
            inviter: PersonId([4; 32]),
            expires_ms: 5,
            addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
        }
    }

    #[test]
    fn a_ticket_survives_text_and_every_damage_is_noticed() {
        let text = ticket().to_string();
        assert_eq!(text.parse::<Ticket>(), Ok(ticket()));
        assert_eq!(
            format!(" {} \n{}", &text[..20], &text[20..]).to_uppercase().parse::<Ticket>(),
            Ok(ticket())
        );
        for cut in 0..text.len() {
            assert!(text[..cut].parse::<Ticket>().is_err(), "cut at {cut}");
            let mut other = text.clone().into_bytes();
            other[cut] = if other[cut] == b'q' { b'r' } else { b'q' };
            let other = String::from_utf8(other).unwrap();
            assert!(other.parse::<Ticket>().is_err(), "changed at {cut}");
        }
    }
}
