//! Tokens with which a device asks: JSON Web Tokens (RFC 7519), HMAC with SHA-256 and nothing else.
//!
//! A token says which device speaks, and of which workspace. It says nothing of what the device may do: that
//! is found at every request.
//!
//! `jsonwebtoken` is given no other algorithm than the one, so a token cannot choose another.

use super::problem::Problem;
use crate::limits;
use axum::http::StatusCode;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    get_current_timestamp,
    signature::{self, Signer, Verifier},
};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use velo_protocol::id::{DeviceId, WorkspaceId};

const AUDIENCE: &str = "velo-relay";

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(HmacSha256::new(*algorithm, key.as_bytes())?)),
    verifier_factory: |algorithm, key| Ok(Box::new(HmacSha256::new(*algorithm, key.try_get_as_bytes()?)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

struct HmacSha256(Hmac<Sha256>);

impl HmacSha256 {
    fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, Error> {
        if algorithm != Algorithm::HS256 {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Hmac::new_from_slice(key).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}

impl Signer<Vec<u8>> for HmacSha256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for HmacSha256 {
    fn verify(&self, message: &[u8], mac: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.clone().chain_update(message).verify_slice(mac).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    aud: String,
    exp: u64,
    iat: u64,
    /// Who speaks.
    pub sub: DeviceId,
    /// Of what.
    pub workspace: WorkspaceId,
}

/// Gives tokens out, and reads them.
pub(super) struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
}

impl Tokens {
    pub fn new(secret: &[u8]) -> Result<Self, Error> {
        // There may be another relay in this process: it installed the same.
        let _ = PROVIDER.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        validation.leeway = 0;
        let (signing, checking) = (EncodingKey::from_secret(secret)?, DecodingKey::from_secret(secret)?);
        Ok(Self { signing, checking, validation })
    }

    /// A token, and the second since 1970 at which it ends.
    pub fn issue(&self, device: DeviceId, workspace: WorkspaceId) -> Result<(String, u64), Error> {
        let iat = get_current_timestamp();
        let exp = iat + limits::TOKEN_S;
        let claims = Claims { aud: AUDIENCE.to_owned(), exp, iat, sub: device, workspace };
        Ok((jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)?, exp))
    }

    /// What a good token says.
    pub fn read(&self, token: &str) -> Result<Claims, Problem> {
        let read = jsonwebtoken::decode(token, &self.checking, &self.validation);
        read.map(|data| data.claims).map_err(|error| {
            let (code, detail) = if matches!(error.kind(), ErrorKind::ExpiredSignature) {
                ("token_expired", "the token's time is over: ask for another one")
            } else {
                ("token_invalid", "the token is not one of this relay: ask for one at /v1/auth/challenge")
            };
            Problem::new(StatusCode::UNAUTHORIZED, code, detail)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64URL_NOPAD;
    use serde_json::{Value, json};

    const SECRET: &[u8] = &[7; 32];

    fn claims() -> Value {
        let exp = get_current_timestamp() + 60;
        json!({
            "aud": AUDIENCE, "exp": exp, "iat": exp - 60,
            "sub": DeviceId([1; 32]).to_string(), "workspace": WorkspaceId([2; 32]).to_string(),
        })
    }

    fn made(header: &Value, claims: &Value, secret: &[u8]) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let said = format!("{}.{}", part(header), part(claims));
        let mac = HmacSha256::new(Algorithm::HS256, secret).unwrap().try_sign(said.as_bytes()).unwrap();
        format!("{said}.{}", BASE64URL_NOPAD.encode(&mac))
    }

    fn code(token: &str) -> &'static str {
        Tokens::new(SECRET).unwrap().read(token).map_or_else(|problem| problem.code(), |_| "good")
    }

    #[test]
    fn what_is_given_out_is_read() {
        let tokens = Tokens::new(SECRET).unwrap();
        let (token, _) = tokens.issue(DeviceId([1; 32]), WorkspaceId([2; 32])).unwrap();
        let claims = tokens.read(&token).unwrap();
        assert_eq!((claims.sub, claims.workspace), (DeviceId([1; 32]), WorkspaceId([2; 32])));
        assert_eq!(code(&made(&json!({"alg": "HS256"}), &self::claims(), SECRET)), "good");
    }

    #[test]
    fn a_token_is_signed_with_one_algorithm_under_one_secret() {
        for algorithm in ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", ""] {
            assert_eq!(code(&made(&json!({ "alg": algorithm }), &claims(), SECRET)), "token_invalid");
        }
        assert_eq!(code(&made(&json!({"alg": "HS256"}), &claims(), &[8; 32])), "token_invalid");
        let good = made(&json!({"alg": "HS256"}), &claims(), SECRET);
        let (said, _) = good.rsplit_once('.').unwrap();
        for token in ["", ".", "..", "a.b.c", said, &format!("{said}."), &format!("{good}A")] {
            assert_eq!(code(token), "token_invalid", "{token}");
        }
    }

    #[test]
    fn time_audience_and_subject_are_looked_at() {
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            code(&made(&json!({"alg": "HS256"}), &claims, SECRET))
        };
        assert_eq!(with("exp", json!(get_current_timestamp() - 1)), "token_expired");
        assert_eq!(with("aud", json!("another")), "token_invalid");
        assert_eq!(with("aud", Value::Null), "token_invalid");
        assert_eq!(with("exp", json!("tomorrow")), "token_invalid");
        assert_eq!(with("sub", json!("../..")), "token_invalid");
        assert_eq!(with("workspace", json!("'; DROP TABLE entries; --")), "token_invalid");
        for name in ["exp", "aud", "sub", "workspace"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(code(&made(&json!({"alg": "HS256"}), &claims, SECRET)), "token_invalid", "{name}");
        }
    }
}
