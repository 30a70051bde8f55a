//! The keys by which WeChat Pay's messages are known: public keys and platform certificates side by side.
//!
//! While a merchant changes from certificates to the public key, messages signed by either come mixed for days; each
//! names its key by serial. An unknown serial may be a new certificate, so that the list is asked for anew, but at
//! most once a minute: anybody can send a serial that nobody has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::Timestamp;

use super::InvalidKeys;
use crate::der::{Certificate, pem_blocks, serial_text};
use crate::signature::ProviderKey;

/// What serials of public keys begin with.
const PUBLIC_KEY_MARK: &str = "PUB_KEY_ID_";
const DOWNLOAD_PAUSE_MS: i64 = 60_000;
/// A merchant has one or two certificates at a time.
const DOWNLOADED_MAX: usize = 16;

/// A key, and when it may be used.
pub(crate) struct KnownKey {
    key: ProviderKey,
    /// `None` for public keys, which have no end.
    validity: Option<(Timestamp, Timestamp)>,
}

impl KnownKey {
    /// Whether it made the signature, and may at that moment.
    pub(crate) fn verifies(&self, message: &[u8], signature: &str, now: Timestamp) -> bool {
        let is_valid = self.validity.is_none_or(|(from, until)| (from..=until).contains(&now));
        is_valid && self.key.verifies(message, signature)
    }
}

#[derive(Default)]
struct Downloaded {
    keys: BTreeMap<String, Arc<KnownKey>>,
    tried_at: Option<Timestamp>,
}

/// All of them, by serial.
pub(crate) struct ProviderKeys {
    configured: BTreeMap<String, Arc<KnownKey>>,
    downloaded: Mutex<Downloaded>,
}

impl ProviderKeys {
    /// The keys that the operator gave: a public key with its id, and certificates in PEM; each may be empty.
    pub(crate) fn new(
        public_key_id: &str,
        public_key: &str,
        certificates: &str,
    ) -> Result<Self, InvalidKeys> {
        let mut configured = BTreeMap::new();
        if !public_key_id.is_empty() || !public_key.is_empty() {
            if !public_key_id.starts_with(PUBLIC_KEY_MARK) {
                return Err(InvalidKeys { field: "public_key_id", problem: "must begin with PUB_KEY_ID_" });
            }
            let key = ProviderKey::from_pem(public_key);
            let key = key.map_err(|problem| InvalidKeys { field: "public_key", problem })?;
            configured.insert(serial_text(public_key_id), Arc::new(KnownKey { key, validity: None }));
        }
        let wrong = InvalidKeys { field: "platform_certificates", problem: "are not certificates in PEM" };
        let blocks = pem_blocks(certificates, "CERTIFICATE").ok_or(wrong)?;
        if blocks.is_empty() && !certificates.trim().is_empty() {
            return Err(wrong);
        }
        for der in blocks {
            let (serial, key) = known(&der).ok_or(wrong)?;
            configured.insert(serial, key);
        }
        Ok(Self { configured, downloaded: Mutex::default() })
    }

    /// The key of that serial.
    pub(crate) fn get(&self, serial: &str) -> Option<Arc<KnownKey>> {
        let serial = serial_text(serial);
        if let Some(key) = self.configured.get(&serial) {
            return Some(Arc::clone(key));
        }
        let downloaded = self.downloaded.lock().unwrap_or_else(PoisonError::into_inner);
        downloaded.keys.get(&serial).map(Arc::clone)
    }

    /// Whether an unknown serial is worth a question now; counts as asked from here on.
    pub(crate) fn begins_download(&self, serial: &str, now: Timestamp) -> bool {
        if serial.starts_with(PUBLIC_KEY_MARK) || serial.is_empty() {
            return false;
        }
        let mut downloaded = self.downloaded.lock().unwrap_or_else(PoisonError::into_inner);
        let is_soon = downloaded.tried_at.is_some_and(|at| now.millis_since(at) < DOWNLOAD_PAUSE_MS);
        if !is_soon {
            downloaded.tried_at = Some(now);
        }
        !is_soon
    }

    /// The certificate's key, not kept yet.
    pub(crate) fn read(pem: &str) -> Option<(String, Arc<KnownKey>)> {
        known(&pem_blocks(pem, "CERTIFICATE")?.pop()?)
    }

    /// Keeps what was downloaded and proved.
    pub(crate) fn keep(&self, keys: BTreeMap<String, Arc<KnownKey>>) {
        let mut downloaded = self.downloaded.lock().unwrap_or_else(PoisonError::into_inner);
        downloaded.keys = keys.into_iter().take(DOWNLOADED_MAX).collect();
    }
}

fn known(der: &[u8]) -> Option<(String, Arc<KnownKey>)> {
    let certificate = Certificate::read(der)?;
    let key = ProviderKey::from_der(&certificate.public_key)?;
    let validity = Some((certificate.not_before, certificate.not_after));
    Some((certificate.serial, Arc::new(KnownKey { key, validity })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = include_str!("../../../../tests/src/fakes/wechat_keys/public_key.pem");
    const CERTIFICATE: &str =
        include_str!("../../../../tests/src/fakes/wechat_keys/platform_certificate.pem");

    #[test]
    fn public_key_and_certificates_stand_side_by_side() {
        let keys = ProviderKeys::new("PUB_KEY_ID_0123456789abcdef", PUBLIC, CERTIFICATE).unwrap();
        assert!(keys.get("PUB_KEY_ID_0123456789abcdef").is_some());
        assert!(keys.get("5157f09efdc096de15ebe81a47057a7232f1b8e1").is_some());
        assert!(keys.get("PUB_KEY_ID_9").is_none());
    }

    #[test]
    fn an_unknown_serial_costs_a_question_a_minute_at_most() {
        let keys = ProviderKeys::new("", "", "").unwrap();
        let at = Timestamp::from_millis;
        assert!(!keys.begins_download("PUB_KEY_ID_9", at(0)));
        assert!(keys.begins_download("AB", at(0)));
        assert!(!keys.begins_download("AC", at(59_999)));
        assert!(keys.begins_download("AC", at(60_000)));
    }

    #[test]
    fn what_is_no_key_is_named() {
        let field = |id: &str, key: &str, certificates: &str| {
            ProviderKeys::new(id, key, certificates).err().map(|invalid| invalid.field)
        };
        assert_eq!(field("", PUBLIC, ""), Some("public_key_id"));
        assert_eq!(field("PUB_KEY_ID_1", "", ""), Some("public_key"));
        assert_eq!(field("", "", "x"), Some("platform_certificates"));
        assert_eq!(field("", "", PUBLIC), Some("platform_certificates"));
    }
}
