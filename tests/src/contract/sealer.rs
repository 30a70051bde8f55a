//! What every [`auth::ports::Sealer`] must do.

use auth::SealedSecret;
use auth::ports::{NONCE_BYTES, Sealer};
use kernel::PortError;
use secrecy::{ExposeSecret, SecretString};

const NONCE: [u8; NONCE_BYTES] = [3; NONCE_BYTES];

fn seal(sealer: &dyn Sealer, text: &str, context: &str) -> SealedSecret {
    sealer.seal(&SecretString::from(text), context, NONCE).unwrap()
}

/// What was sealed opens in its own context.
pub fn a_secret_opens_where_it_belongs(sealer: &dyn Sealer) {
    for text in ["tiihtNczf5v6AKRyjwEUhQ==", "", "密钥"] {
        let secret = seal(sealer, text, "wx1/o1");
        assert_eq!(sealer.open(&secret, "wx1/o1").unwrap().expose_secret(), text);
    }
}

/// MUST refuse another context.
pub fn a_secret_does_not_open_elsewhere(sealer: &dyn Sealer) {
    let secret = seal(sealer, "key", "wx1/o1");
    for context in ["wx1/o2", "", "wx1/o1 "] {
        assert!(matches!(sealer.open(&secret, context), Err(PortError::Corrupt { .. })), "{context}");
    }
}

/// MUST refuse a changed text.
pub fn a_changed_secret_does_not_open(sealer: &dyn Sealer) {
    let secret = seal(sealer, "a session key", "wx1/o1");
    let text = secret.as_str();
    for position in 0..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[position] = if changed[position] == b'A' { b'Q' } else { b'A' };
        let changed = SealedSecret::new(String::from_utf8(changed).unwrap());
        assert!(matches!(sealer.open(&changed, "wx1/o1"), Err(PortError::Corrupt { .. })), "{position}");
    }
    for text in ["", ".", "...", "....", "s1.x.y.z"] {
        assert!(sealer.open(&SealedSecret::new(text.to_owned()), "wx1/o1").is_err());
    }
}
