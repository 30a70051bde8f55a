//! Calls to WeChat Pay: signed by the merchant, and believed only when the answer's signature holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::{Clock, Entropy, PortError, Timestamp};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde::Deserialize;

use super::SYSTEM;
use super::keys::{KnownKey, ProviderKeys};
use crate::signature::{ApiV3Key, MerchantKey, Sealed, nonce, signed_message};
use crate::wire::{Reply, Wire};

/// Messages whose time differs by so much or more from ours are not believed.
pub(crate) const WINDOW_MS: i64 = 300_000;
const CERTIFICATES: &str = "/v3/certificates";

pub(crate) struct MerchantClient {
    pub(crate) wire: Wire,
    pub(crate) mch_id: String,
    pub(crate) serial_no: String,
    pub(crate) private_key: MerchantKey,
    pub(crate) api_v3_key: ApiV3Key,
    pub(crate) keys: ProviderKeys,
    /// The public key's id, where the merchant has one: answers are then signed by it.
    pub(crate) public_key_id: Option<String>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// An answer that may be acted on.
pub(crate) enum Answer {
    /// 2xx, with a signature that holds.
    Done(Vec<u8>),
    /// The documented error of this code.
    Failed(String),
}

/// The four headers of a signed message.
pub(crate) struct SignedHeaders<'a> {
    pub(crate) timestamp: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) signature: &'a str,
    pub(crate) serial: &'a str,
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disbelief {
    Stale,
    UnknownKey,
    Signature,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
}

#[derive(Deserialize)]
struct CertificateList {
    data: Vec<CertificateEntry>,
}

#[derive(Deserialize)]
struct CertificateEntry {
    encrypt_certificate: Encrypted,
}

#[derive(Deserialize)]
struct Encrypted {
    nonce: String,
    #[serde(default)]
    associated_data: String,
    ciphertext: String,
}

impl MerchantClient {
    /// A GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, PortError> {
        let reply = self.exchange(Method::GET, path, String::new()).await?;
        self.judge(reply).await
    }

    /// A POST of exactly this JSON.
    pub(crate) async fn post(&self, path: &str, body: String) -> Result<Answer, PortError> {
        let reply = self.exchange(Method::POST, path, body).await?;
        self.judge(reply).await
    }

    /// Whether a message is WeChat Pay's own and of now.
    pub(crate) async fn disbelieves(
        &self,
        headers: &SignedHeaders<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Disbelief>, PortError> {
        let seconds = headers.timestamp.parse::<i64>().ok();
        let at = seconds.and_then(|seconds| seconds.checked_mul(1_000)).map(Timestamp::from_millis);
        if at.is_none_or(|at| now.millis_since(at).unsigned_abs() >= WINDOW_MS.unsigned_abs()) {
            return Ok(Some(Disbelief::Stale));
        }
        let key = match self.keys.get(headers.serial) {
            Some(key) => Some(key),
            None if self.keys.begins_download(headers.serial, now) => {
                self.download(now).await?;
                self.keys.get(headers.serial)
            }
            None => None,
        };
        let Some(key) = key else { return Ok(Some(Disbelief::UnknownKey)) };
        let message = signed_message(headers.timestamp, headers.nonce, body);
        let holds = key.verifies(&message, headers.signature, now);
        Ok((!holds).then_some(Disbelief::Signature))
    }

    async fn exchange(&self, method: Method, path: &str, body: String) -> Result<Reply, PortError> {
        let authorization = self.authorization(method.as_str(), path, &body)?;
        let mut request = self
            .wire
            .request(method, path)
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json");
        if let Some(id) = &self.public_key_id {
            request = request.header("Wechatpay-Serial", id);
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        self.wire.send(request).await
    }

    fn authorization(&self, method: &str, path: &str, body: &str) -> Result<String, PortError> {
        let (nonce, timestamp) = (nonce(self.entropy.as_ref()), self.clock.now().as_millis() / 1_000);
        let text = format!("{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n");
        let signature = self.private_key.sign(&text)?;
        let (mch_id, serial_no) = (&self.mch_id, &self.serial_no);
        Ok(format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{mch_id}\",nonce_str=\"{nonce}\",signature=\"{signature}\",\
             timestamp=\"{timestamp}\",serial_no=\"{serial_no}\""
        ))
    }

    async fn judge(&self, reply: Reply) -> Result<Answer, PortError> {
        if (200..300).contains(&reply.status) {
            let now = self.clock.now();
            // A success without a signature was not said by WeChat Pay.
            let disbelief = match signed(&reply.headers) {
                Some(headers) => self.disbelieves(&headers, &reply.body, now).await?,
                None => Some(Disbelief::Signature),
            };
            return match disbelief {
                None => Ok(Answer::Done(reply.body)),
                Some(why) => {
                    Err(PortError::unavailable(SYSTEM, format!("an answer that is not believed: {why:?}")))
                }
            };
        }
        let code = serde_json::from_slice::<ErrorBody>(&reply.body).map(|body| body.code);
        let code = code.unwrap_or_default();
        let said = || format!("HTTP {} {}", reply.status, plain(&code));
        match (reply.status, code.as_str()) {
            (429 | 500.., _) | (_, "SYSTEM_ERROR" | "FREQUENCY_LIMITED" | "FREQUENCY_LIMIT_EXCEED") => {
                Err(PortError::unavailable(SYSTEM, said()))
            }
            (401, _) | (_, "" | "SIGN_ERROR" | "NO_AUTH" | "MCH_NOT_EXISTS" | "APPID_MCHID_NOT_MATCH") => {
                Err(PortError::rejected(SYSTEM, said()))
            }
            _ => Ok(Answer::Failed(plain(&code))),
        }
    }

    /// Asks for the platform certificates. The list is sealed with the APIv3 key, and its signature must hold by one
    /// of the keys in it or one that was known before.
    async fn download(&self, now: Timestamp) -> Result<(), PortError> {
        let reply = self.exchange(Method::GET, CERTIFICATES, String::new()).await?;
        if reply.status != 200 {
            return Err(PortError::unavailable(SYSTEM, format!("certificates: HTTP {}", reply.status)));
        }
        let unreadable = || PortError::unavailable(SYSTEM, "a list of certificates that cannot be read");
        let list: CertificateList = serde_json::from_slice(&reply.body).map_err(|_quoted| unreadable())?;
        let opened = list.data.iter().map(|entry| self.certificate(&entry.encrypt_certificate));
        let keys: BTreeMap<_, _> = opened.collect::<Option<_>>().ok_or_else(unreadable)?;
        let headers = signed(&reply.headers).ok_or_else(unreadable)?;
        let key = keys.get(&crate::der::serial_text(headers.serial)).map(Arc::clone);
        let key = key.or_else(|| self.keys.get(headers.serial)).ok_or_else(unreadable)?;
        let message = signed_message(headers.timestamp, headers.nonce, &reply.body);
        if !key.verifies(&message, headers.signature, now) {
            return Err(unreadable());
        }
        self.keys.keep(keys);
        Ok(())
    }

    fn certificate(&self, sealed: &Encrypted) -> Option<(String, Arc<KnownKey>)> {
        let sealed = Sealed {
            nonce: &sealed.nonce,
            associated_data: &sealed.associated_data,
            ciphertext: &sealed.ciphertext,
        };
        ProviderKeys::read(std::str::from_utf8(&self.api_v3_key.open(&sealed)?).ok()?)
    }
}

fn signed(headers: &HeaderMap) -> Option<SignedHeaders<'_>> {
    let get = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Some(SignedHeaders {
        timestamp: get("wechatpay-timestamp")?,
        nonce: get("wechatpay-nonce")?,
        signature: get("wechatpay-signature")?,
        serial: get("wechatpay-serial")?,
    })
}

/// A code as it may be shown and logged: codes are words of capitals, and what is none stays unsaid.
fn plain(code: &str) -> String {
    const CODE_CHARS_MAX: usize = 64;
    let is_code = |sign: &char| sign.is_ascii_alphanumeric() || *sign == '_';
    code.chars().filter(is_code).take(CODE_CHARS_MAX).collect()
}
