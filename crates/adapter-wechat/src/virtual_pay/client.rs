//! Calls to `/xpay/…`: a token, a signature over path and body, and an error code of its own.

use std::sync::Arc;

use kernel::PortError;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::SYSTEM;
use crate::access_token::{AccessTokens, Token};
use crate::signature::hmac_hex;
use crate::wire::{Endpoint, Wire};

/// What WeChat says of tokens that are over.
const TOKEN_ERRORS: [i64; 4] = [40_001, 40_014, 41_001, 42_001];
/// Busy, or asked too often.
const TRY_LATER: [i64; 5] = [-1, 45_009, 45_011, 268_490_011, 268_490_015];
/// Our key, our offer or our permission is wrong.
const MISCONFIGURED: [i64; 4] = [-15_006, 48_001, 268_490_003, 268_490_021];
/// Wrong parameters; also what is said of an order that does not exist.
const PARAMETERS: i64 = 268_490_002;
const MISSING: &str = "不存在";

pub(crate) struct XpayClient {
    wire: Wire,
    tokens: Arc<AccessTokens>,
    app_key: SecretString,
}

/// An answer of `/xpay/…`.
pub(crate) enum Answer {
    /// Success.
    Done(Vec<u8>),
    /// What was asked about does not exist.
    Missing,
    /// The documented error of this number.
    Failed(i64),
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    errcode: i64,
    #[serde(default)]
    errmsg: String,
}

impl XpayClient {
    pub(crate) fn new(
        endpoint: &Endpoint,
        tokens: Arc<AccessTokens>,
        app_key: SecretString,
    ) -> Result<Self, PortError> {
        Ok(Self { wire: Wire::new(SYSTEM, endpoint)?, tokens, app_key })
    }

    /// Signs with the app's key.
    pub(crate) fn pay_sig(&self, uri: &str, text: &str) -> String {
        hmac_hex(&self.app_key, &format!("{uri}&{text}"))
    }

    /// Calls one interface. A token that WeChat refuses is replaced once.
    pub(crate) async fn call(&self, uri: &'static str, body: &impl Serialize) -> Result<Answer, PortError> {
        let body = serde_json::to_string(body).map_err(|error| PortError::rejected(SYSTEM, error))?;
        let token = self.tokens.current().await?;
        let (head, reply) = self.exchange(uri, &body, &token).await?;
        if !TOKEN_ERRORS.contains(&head.errcode) {
            return judge(uri, &head, reply);
        }
        let token = self.tokens.instead_of(&token).await?;
        let (head, reply) = self.exchange(uri, &body, &token).await?;
        judge(uri, &head, reply)
    }

    async fn exchange(&self, uri: &str, body: &str, token: &Token) -> Result<(Head, Vec<u8>), PortError> {
        let pay_sig = self.pay_sig(uri, body);
        let query = [("access_token", token.text.expose_secret()), ("pay_sig", pay_sig.as_str())];
        let request = self.wire.request(Method::POST, uri).query(&query);
        // Exactly the bytes that were signed.
        let request = request.header(CONTENT_TYPE, "application/json").body(body.to_owned());
        let reply = self.wire.send(request).await?;
        if reply.status != 200 {
            return Err(PortError::unavailable(SYSTEM, format!("{uri} answered HTTP {}", reply.status)));
        }
        match serde_json::from_slice::<Head>(&reply.body) {
            Ok(head) => Ok((head, reply.body)),
            Err(_quoted) => {
                Err(PortError::unavailable(SYSTEM, format!("{uri}: an answer that is not its JSON")))
            }
        }
    }
}

fn judge(uri: &str, head: &Head, body: Vec<u8>) -> Result<Answer, PortError> {
    let code = head.errcode;
    if code == 0 {
        return Ok(Answer::Done(body));
    }
    if code == PARAMETERS && head.errmsg.contains(MISSING) {
        return Ok(Answer::Missing);
    }
    if TRY_LATER.contains(&code) {
        return Err(PortError::unavailable(SYSTEM, format!("{uri}: error {code}")));
    }
    if MISCONFIGURED.contains(&code) || TOKEN_ERRORS.contains(&code) {
        return Err(PortError::rejected(SYSTEM, format!("{uri}: error {code}")));
    }
    Ok(Answer::Failed(code))
}
