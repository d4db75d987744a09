//! How a device gets a token: it signs a nonce.
//!
//! Whoever asks for a nonce costs nothing: it is random bytes and a time under a MAC of this process, kept
//! nowhere. Only one that a member's device signed is remembered, until its time is over.
//!
//! A nonce is of one relay: behind a balancer both requests have to reach the same one.

use super::{App, body, caller::not_in, problem::Problem};
use crate::limits;
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use velo_node::api::date::wall_ms;
use velo_protocol::{
    crypto::Sig,
    id::{DeviceId, WorkspaceId},
    relay_token::{Challenge, NONCE},
};

const RANDOM: usize = 16;
const MAC: usize = NONCE - RANDOM - 8;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeWish {
    device: DeviceId,
}

/// What is to be signed.
#[derive(Debug, Serialize)]
pub(super) struct ChallengeAnswer {
    nonce: String,
    relay: DeviceId,
    /// Seconds since 1970.
    expires: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenWish {
    device: DeviceId,
    workspace: WorkspaceId,
    nonce: String,
    signature: String,
}

/// A token.
#[derive(Debug, Serialize)]
pub(super) struct TokenAnswer {
    token: String,
    /// Seconds since 1970.
    expires: u64,
}

/// The nonces of this process.
#[derive(Debug)]
pub(super) struct Nonces {
    key: [u8; 32],
    /// With the time at which each is forgotten.
    used: Mutex<BTreeMap<[u8; NONCE], u64>>,
}

impl Nonces {
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key, used: Mutex::default() })
    }

    fn mac(&self, device: DeviceId, said: &[u8]) -> blake3::Hash {
        blake3::Hasher::new_keyed(&self.key).update(&device.0).update(said).finalize()
    }

    /// One for a device, good until `expires`.
    fn make(&self, device: DeviceId, expires: u64) -> Result<[u8; NONCE], getrandom::Error> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce[..RANDOM])?;
        nonce[RANDOM..RANDOM + 8].copy_from_slice(&expires.to_be_bytes());
        let mac = self.mac(device, &nonce[..RANDOM + 8]);
        nonce[RANDOM + 8..].copy_from_slice(&mac.as_bytes()[..MAC]);
        Ok(nonce)
    }

    /// Whether a nonce was made for this device, and its time is not over.
    fn is_good(&self, device: DeviceId, nonce: &[u8; NONCE], now: u64) -> bool {
        let (said, given) = nonce.split_at(RANDOM + 8);
        let expected = self.mac(device, said);
        let mut mac = *expected.as_bytes();
        mac[..MAC].copy_from_slice(given);
        let expires = said[RANDOM..].try_into().map_or(0, u64::from_be_bytes);
        blake3::Hash::from_bytes(mac) == expected && now <= expires
    }

    /// Uses one up.
    fn consume(&self, nonce: [u8; NONCE], now: u64) -> Result<(), Problem> {
        // Nobody panics while holding the lock.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains_key(&nonce) {
            return Err(wrong_nonce());
        }
        if used.len() >= limits::NONCES_USED {
            used.retain(|_, until| *until >= now);
            if used.len() >= limits::NONCES_USED {
                return Err(Problem::busy(limits::NONCE_MS / 1000, "too many tokens were asked for"));
            }
        }
        used.insert(nonce, now + limits::NONCE_MS);
        Ok(())
    }
}

fn wrong_nonce() -> Problem {
    let detail = "the nonce was used, its time is over, or another relay made it: ask for another one";
    Problem::new(StatusCode::UNAUTHORIZED, "nonce_invalid", detail)
}

pub(super) async fn challenge(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<Json<ChallengeAnswer>, Problem> {
    let ChallengeWish { device } = body::read(request, limits::AUTH_BODY).await?;
    let expires = wall_ms() + limits::NONCE_MS;
    let nonce = app.nonces.make(device, expires).map_err(|error| Problem::internal(&error))?;
    Ok(Json(ChallengeAnswer {
        nonce: BASE64URL_NOPAD.encode(&nonce),
        relay: app.node.device(),
        expires: expires / 1000,
    }))
}

pub(super) async fn token(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<Json<TokenAnswer>, Problem> {
    let wish: TokenWish = body::read(request, limits::AUTH_BODY).await?;
    let nonce: [u8; NONCE] = decoded(&wish.nonce).ok_or_else(wrong_nonce)?;
    let now = wall_ms();
    if !app.nonces.is_good(wish.device, &nonce, now) {
        return Err(wrong_nonce());
    }
    let challenge = Challenge { relay: app.node.device(), workspace: wish.workspace, nonce };
    let signature = decoded(&wish.signature).map(Sig);
    if signature.is_none_or(|signature| challenge.verify(wish.device, &signature).is_err()) {
        let detail = "the signature is not that of the device over this relay, workspace and nonce";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "signature_invalid", detail));
    }
    if app.node.member_by_device(wish.workspace, wish.device).is_none() {
        return Err(not_in());
    }
    app.nonces.consume(nonce, now)?;
    let issued = app.tokens.issue(wish.device, wish.workspace);
    let (token, expires) = issued.map_err(|error| Problem::internal(&error))?;
    Ok(Json(TokenAnswer { token, expires }))
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_for_one_device_one_time_and_one_use() {
        let (nonces, other) = (Nonces::new().unwrap(), Nonces::new().unwrap());
        let device = DeviceId([1; 32]);
        let nonce = nonces.make(device, 1_000).unwrap();
        assert!(nonces.is_good(device, &nonce, 1_000));
        assert!(!nonces.is_good(device, &nonce, 1_001));
        assert!(!nonces.is_good(DeviceId([2; 32]), &nonce, 1_000));
        assert!(!other.is_good(device, &nonce, 1_000), "of another process");
        for at in 0..NONCE {
            let mut forged = nonce;
            forged[at] ^= 1;
            assert!(!nonces.is_good(device, &forged, 0), "byte {at}");
        }
        assert!(nonces.consume(nonce, 1_000).is_ok());
        assert!(nonces.consume(nonce, 1_000).is_err());
    }

    #[test]
    fn used_nonces_are_forgotten_when_they_are_good_no_more() {
        let nonces = Nonces::new().unwrap();
        for number in 0..limits::NONCES_USED as u64 {
            nonces.consume(nonces.make(DeviceId([1; 32]), number).unwrap(), 0).unwrap();
        }
        let next = nonces.make(DeviceId([1; 32]), 0).unwrap();
        assert_eq!(nonces.consume(next, 0).unwrap_err().status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(nonces.consume(next, limits::NONCE_MS + 1).is_ok());
    }
}
