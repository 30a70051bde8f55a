//! One HTTP exchange with a host of Tencent's: a time limit over all of it, and a bound on what is read.

use std::time::Duration;

use kernel::PortError;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};

/// The longest answers are lists of certificates, some thousand bytes.
const REPLY_BYTES_MAX: usize = 256 * 1_024;

/// How a host is reached.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Scheme and host, without a slash at the end.
    pub base_url: String,
    /// Of one call, connecting included.
    pub timeout: Duration,
    /// Whether the environment's proxies are passed over.
    pub no_proxy: bool,
}

pub(crate) struct Wire {
    system: &'static str,
    client: Client,
    base_url: String,
}

/// An answer, read whole.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(system: &'static str, endpoint: &Endpoint) -> Result<Self, PortError> {
        let mut client = Client::builder()
            .timeout(endpoint.timeout)
            .connect_timeout(endpoint.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("jixia/", env!("CARGO_PKG_VERSION")));
        if endpoint.no_proxy {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| PortError::rejected(system, error.without_url()))?;
        let base_url = endpoint.base_url.trim_end_matches('/').to_owned();
        Ok(Self { system, client, base_url })
    }

    /// A request; the path is sent as it stands, since it may be signed.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base_url))
    }

    /// Sends it and reads the answer. URLs carry tokens and signatures, so that no error may carry the URL.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Reply, PortError> {
        let failed = |error: reqwest::Error| PortError::unavailable(self.system, error.without_url());
        let mut response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len().saturating_add(chunk.len()) > REPLY_BYTES_MAX {
                return Err(PortError::unavailable(self.system, "an answer beyond 256 KiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body })
    }
}
