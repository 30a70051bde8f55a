//! Secrets at rest: AES-256-GCM, with the key's id in the text so that keys can change.

use auth::SealedSecret;
use auth::ports::{NONCE_BYTES, Sealer};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::PortError;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::Key;

const SYSTEM: &str = "sealer";
const VERSION: &str = "s1";

/// Seals with the newest key and opens with any of its keys.
pub struct AesSealer {
    newest: SealKey,
    older: Vec<SealKey>,
}

struct SealKey {
    id: String,
    key: LessSafeKey,
}

impl AesSealer {
    /// Seals with `newest`; what `older` keys sealed still opens.
    pub fn new(newest: &Key, older: &[Key]) -> Result<Self, PortError> {
        let older = older.iter().map(seal_key).collect::<Result<_, _>>()?;
        Ok(Self { newest: seal_key(newest)?, older })
    }

    fn key(&self, id: &str) -> Option<&LessSafeKey> {
        let mut keys = std::iter::once(&self.newest).chain(&self.older);
        keys.find(|key| key.id == id).map(|key| &key.key)
    }
}

fn seal_key(key: &Key) -> Result<SealKey, PortError> {
    let hash = digest(&SHA256, key.expose_secret());
    let id = URL_SAFE_NO_PAD.encode(hash.as_ref().get(..6).unwrap_or_default());
    match UnboundKey::new(&AES_256_GCM, key.expose_secret()) {
        Ok(unbound) => Ok(SealKey { id, key: LessSafeKey::new(unbound) }),
        Err(error) => Err(PortError::rejected(SYSTEM, error)),
    }
}

impl Sealer for AesSealer {
    fn seal(
        &self,
        plain: &SecretString,
        context: &str,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<SealedSecret, PortError> {
        let mut text = Zeroizing::new(plain.expose_secret().as_bytes().to_vec());
        let tag = self
            .newest
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context.as_bytes()),
                text.as_mut_slice(),
            )
            .map_err(|error| PortError::rejected(SYSTEM, error))?;
        text.extend_from_slice(tag.as_ref());
        let (nonce, text) = (URL_SAFE_NO_PAD.encode(nonce), URL_SAFE_NO_PAD.encode(text.as_slice()));
        Ok(SealedSecret::new(format!("{VERSION}.{}.{nonce}.{text}", self.newest.id)))
    }

    fn open(&self, sealed: &SealedSecret, context: &str) -> Result<SecretString, PortError> {
        let corrupt = |what: &'static str| PortError::corrupt(SYSTEM, what);
        let mut parts = sealed.as_str().split('.');
        let (Some(VERSION), Some(id), Some(nonce), Some(text), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(corrupt("a sealed secret of another form"));
        };
        let key = self.key(id).ok_or_else(|| corrupt("a sealed secret of an unknown key"))?;
        let nonce = decoded(nonce).and_then(|bytes| Nonce::try_assume_unique_for_key(&bytes).ok());
        let nonce = nonce.ok_or_else(|| corrupt("a sealed secret without a nonce"))?;
        let mut text = Zeroizing::new(decoded(text).ok_or_else(|| corrupt("a sealed secret not in base64"))?);
        match key.open_in_place(nonce, Aad::from(context.as_bytes()), text.as_mut_slice()) {
            Ok(plain) => match std::str::from_utf8(plain) {
                Ok(plain) => Ok(SecretString::from(plain)),
                Err(_) => Err(corrupt("a sealed secret that is no text")),
            },
            Err(_) => Err(corrupt("a sealed secret that was changed or belongs elsewhere")),
        }
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretBox;

    use super::*;

    fn key(byte: u8) -> Key {
        SecretBox::new(Box::new([byte; 32]))
    }

    fn sealed_with(byte: u8) -> SealedSecret {
        let sealer = AesSealer::new(&key(byte), &[]).unwrap();
        sealer.seal(&SecretString::from("session key"), "wx1/o1", [7; NONCE_BYTES]).unwrap()
    }

    #[test]
    fn what_an_older_key_sealed_opens_and_a_foreign_key_s_does_not() {
        let sealer = AesSealer::new(&key(2), &[key(1)]).unwrap();
        for byte in [1, 2] {
            assert_eq!(sealer.open(&sealed_with(byte), "wx1/o1").unwrap().expose_secret(), "session key");
        }
        assert!(matches!(sealer.open(&sealed_with(3), "wx1/o1"), Err(PortError::Corrupt { .. })));
    }

    #[test]
    fn the_text_holds_neither_secret_nor_key() {
        let sealed = sealed_with(1);
        assert!(!sealed.as_str().contains("session key"));
        assert!(!sealed.as_str().contains(&URL_SAFE_NO_PAD.encode("session key")));
    }
}
