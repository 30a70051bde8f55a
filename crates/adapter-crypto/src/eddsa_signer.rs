//! Access tokens as JWTs, signed with EdDSA and nothing else.
//!
//! The algorithm is fixed here and the key comes from the ring by its id; what a token's header says beyond its
//! kind and its key's id is refused or ignored. Time is judged against the caller's clock, without leeway.

use std::collections::HashSet;

use auth::ports::TokenSigner;
use auth::{AccessClaims, Role, TokenRefusal};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use kernel::{Id, PortError, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::key_ring::KeyRing;

const SYSTEM: &str = "token signer";
/// RFC 9068, section 2.1.
const HEADER_TYPE: &str = "at+jwt";
const CLAIM_TYPE: &str = "access";

/// The claims as they are written. Every one is required.
#[derive(Serialize, Deserialize)]
struct WireClaims {
    typ: String,
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    jti: String,
    role: String,
    iat: i64,
    exp: i64,
}

/// The names that tokens carry.
#[derive(Debug, Clone)]
pub struct TokenNames {
    /// `iss`: who makes them.
    pub issuer: String,
    /// `aud`: whom they are for.
    pub audience: String,
}

/// Signs and verifies with a ring of Ed25519 keys.
pub struct EddsaSigner {
    ring: KeyRing,
    names: TokenNames,
    validation: Validation,
}

impl EddsaSigner {
    /// A signer with these keys and names.
    pub fn new(ring: KeyRing, names: TokenNames) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.algorithms = vec![Algorithm::EdDSA];
        validation.leeway = 0;
        // `exp` must be there; whether it is over is judged below, by our own clock.
        validation.validate_exp = false;
        validation.validate_aud = true;
        validation.aud = Some(HashSet::from([names.audience.clone()]));
        validation.iss = Some(HashSet::from([names.issuer.clone()]));
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self { ring, names, validation }
    }

    fn claims_of(&self, token: &str) -> Option<AccessClaims> {
        let header = decode_header(token).ok()?;
        if header.typ.as_deref() != Some(HEADER_TYPE) || header.crit.is_some() {
            return None;
        }
        let key = self.ring.verifying(header.kid.as_deref()?)?;
        let wire = decode::<WireClaims>(token, key, &self.validation).ok()?.claims;
        if wire.typ != CLAIM_TYPE || wire.iss != self.names.issuer || wire.aud != self.names.audience {
            return None;
        }
        Some(AccessClaims {
            user_id: wire.sub.parse().ok()?,
            session_id: wire.sid.parse().ok()?,
            token_id: wire.jti.parse().ok()?,
            role: Role::parse(&wire.role)?,
            issued_at: from_seconds(wire.iat)?,
            expires_at: from_seconds(wire.exp)?,
        })
    }
}

impl TokenSigner for EddsaSigner {
    fn sign(&self, claims: &AccessClaims) -> Result<SecretString, PortError> {
        let Some((kid, key)) = self.ring.active() else {
            return Err(PortError::rejected(SYSTEM, "no key is active"));
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(HEADER_TYPE.to_owned());
        header.kid = Some(kid.to_owned());
        let wire = WireClaims {
            typ: CLAIM_TYPE.to_owned(),
            iss: self.names.issuer.clone(),
            aud: self.names.audience.clone(),
            sub: text_of(claims.user_id),
            sid: text_of(claims.session_id),
            jti: text_of(claims.token_id),
            role: claims.role.as_str().to_owned(),
            iat: claims.issued_at.as_millis().div_euclid(1_000),
            exp: claims.expires_at.as_millis().div_euclid(1_000),
        };
        match encode(&header, &wire, key) {
            Ok(token) => Ok(SecretString::from(token)),
            Err(error) => Err(PortError::rejected(SYSTEM, error)),
        }
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefusal> {
        let claims = self.claims_of(token).ok_or(TokenRefusal::Invalid)?;
        if claims.expires_at <= claims.issued_at {
            return Err(TokenRefusal::Invalid);
        }
        if now >= claims.expires_at {
            return Err(TokenRefusal::Expired);
        }
        Ok(claims)
    }
}

fn text_of<K>(id: Id<K>) -> String {
    id.to_string()
}

fn from_seconds(seconds: i64) -> Option<Timestamp> {
    seconds.checked_mul(1_000).map(Timestamp::from_millis)
}
