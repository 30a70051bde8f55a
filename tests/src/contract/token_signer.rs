//! What every [`auth::ports::TokenSigner`] must do. Forgeries need the adapter's own form: see the wiring.

use auth::ports::TokenSigner;
use auth::{AccessClaims, Role, TokenRefusal};
use secrecy::ExposeSecret;

use super::people::{START, ids};

/// Claims of a token of 15 minutes.
pub fn claims() -> AccessClaims {
    let ids = ids();
    AccessClaims {
        user_id: ids.next(),
        session_id: ids.next(),
        token_id: ids.next(),
        role: Role::Admin,
        issued_at: START,
        expires_at: START.plus_seconds(900),
    }
}

/// What was signed is what is read.
pub fn claims_survive_the_token(signer: &dyn TokenSigner) {
    let token = signer.sign(&claims()).unwrap();
    assert_eq!(signer.verify(token.expose_secret(), START), Ok(claims()));
}

/// MUST allow no leeway.
pub fn a_token_is_over_at_its_end_and_not_before(signer: &dyn TokenSigner) {
    let token = signer.sign(&claims()).unwrap();
    let end = claims().expires_at;
    assert!(signer.verify(token.expose_secret(), end.plus_millis(-1)).is_ok());
    assert_eq!(signer.verify(token.expose_secret(), end), Err(TokenRefusal::Expired));
}

/// MUST answer `Expired` only for a token whose signature holds.
pub fn a_changed_token_is_invalid_and_never_expired(signer: &dyn TokenSigner) {
    let token = signer.sign(&claims()).unwrap();
    let token = token.expose_secret();
    let late = claims().expires_at.plus_seconds(1);
    for (position, byte) in token.bytes().enumerate() {
        // The last character of a part also holds bits that carry nothing; its neighbours are enough.
        if byte == b'.' || token.as_bytes().get(position + 1).is_none_or(|next| *next == b'.') {
            continue;
        }
        let mut changed = token.as_bytes().to_vec();
        changed[position] = if byte == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(signer.verify(&changed, late), Err(TokenRefusal::Invalid), "{position}");
    }
}

/// Texts that are no token are refused.
pub fn what_is_no_token_is_invalid(signer: &dyn TokenSigner) {
    for text in ["", ".", "..", "a.b.c", "Bearer x", "....", "e30.e30.", "\u{0}", "学.而.时"] {
        assert_eq!(signer.verify(text, START), Err(TokenRefusal::Invalid), "{text}");
    }
}
