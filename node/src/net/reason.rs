//! Why a connection failed, in words for people. libp2p's own texts name every layer.

use libp2p::{Multiaddr, core::transport::TransportError, swarm::DialError};
use std::{error::Error, io};

/// The innermost error: "connection refused", without the layers around it.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// One address, and why nobody could be reached there.
pub fn failed_address((address, error): &(Multiaddr, TransportError<io::Error>)) -> String {
    match error {
        TransportError::MultiaddrNotSupported(_) => {
            format!("{address}: this kind of address is not supported")
        }
        TransportError::Other(error) => format!("{address}: {}", root_cause(error)),
    }
}

/// Why a dial failed.
pub fn dial_failure(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "this device itself answers at this address".to_owned(),
        DialError::NoAddresses => "no address is known".to_owned(),
        DialError::DialPeerConditionFalse(_) => "another dial is under way".to_owned(),
        DialError::Aborted => "the dial was given up".to_owned(),
        DialError::WrongPeerId { .. } => "another device answers at this address".to_owned(),
        DialError::Denied { cause } => format!("not allowed: {}", root_cause(cause)),
        DialError::Transport(errors) => errors.iter().map(failed_address).collect::<Vec<_>>().join("; "),
    }
}
