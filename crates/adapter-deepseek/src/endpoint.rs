//! Where a model is asked, by which name, and with which bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use async_openai::config::Config;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use thiserror::Error;

/// An endpoint and the models that are asked there.
#[derive(Debug, Clone)]
pub struct ModelEndpoint {
    /// The base with its version path, for example `https://api.deepseek.com/v1`.
    pub base_url: String,
    /// The key, where the endpoint wants one.
    pub api_key: Option<SecretString>,
    /// Models by the alias that requests name.
    pub models: BTreeMap<String, ProviderModel>,
    /// Body fields that carry the asker's tag: `user_id` at DeepSeek, `user` at most others. Endpoints that
    /// refuse unknown fields want exactly their own.
    pub user_fields: Vec<String>,
    /// Bounds of one call.
    pub limits: EndpointLimits,
}

/// A model as the provider knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderModel {
    /// The provider's name for it.
    pub name: String,
    /// Whether it reasons before it answers.
    pub thinking: Thinking,
    /// More fields of the request's body, such as `temperature`; they cannot replace the adapter's own.
    pub extra: Map<String, Value>,
}

/// Whether a model reasons before it answers, which costs tokens that nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// Nothing is said: the provider's default. For endpoints that do not know the field.
    Unsaid,
    /// `thinking: {type: disabled}`.
    Disabled,
    /// `thinking: {type: enabled}`.
    Enabled,
}

/// Bounds of one call. Times are milliseconds, sizes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointLimits {
    /// Time to connect.
    pub connect_ms: i64,
    /// Time without any byte before the first content; every byte, keep-alive comments too, begins it anew.
    pub first_content_ms: i64,
    /// Time before the first content in total, retries included.
    pub first_content_total_ms: i64,
    /// Time between two contents; reasoning is content.
    pub idle_ms: i64,
    /// Time from the first content to the end.
    pub answer_ms: i64,
    /// Time that usage may follow after the finish.
    pub usage_ms: i64,
    /// Further attempts after the first.
    pub retries_max: u32,
    /// The longest wait that a `Retry-After` is granted.
    pub retry_after_ms_max: i64,
    /// Longest line of the stream.
    pub line_bytes_max: usize,
    /// Longest stream.
    pub body_bytes_max: usize,
    /// Time for the readiness check; never more than two seconds.
    pub ready_ms: i64,
    /// A readiness check's result is believed so long.
    pub ready_life_ms: i64,
}

impl Default for EndpointLimits {
    fn default() -> Self {
        Self {
            connect_ms: 5_000,
            first_content_ms: 120_000,
            first_content_total_ms: 600_000,
            idle_ms: 45_000,
            answer_ms: 600_000,
            usage_ms: 5_000,
            retries_max: 2,
            retry_after_ms_max: 10_000,
            line_bytes_max: 1 << 20,
            body_bytes_max: 64 << 20,
            ready_ms: 1_500,
            ready_life_ms: 5_000,
        }
    }
}

/// A configuration that cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Not an absolute `http` or `https` URL without query.
    #[error("the model's URL must be an http or https URL with the version path, without a query")]
    Url,
    /// The key cannot stand in a header.
    #[error("the model's API key has characters that no key has")]
    ApiKey,
    /// There is nothing to ask.
    #[error("no model is configured")]
    NoModels,
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be set up")]
    Client,
}

/// Milliseconds as a duration; negative ones are none.
pub(crate) fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Whether this host is the machine itself, which no proxy can reach.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The endpoint as the client library wants it. Unlike the library's own, it reads nothing from the
/// environment and cannot panic on a key.
#[derive(Clone)]
pub(crate) struct Address {
    base: String,
    key: SecretString,
    headers: HeaderMap,
}

impl Address {
    pub(crate) fn parse(endpoint: &ModelEndpoint) -> Result<(Self, Url), EndpointError> {
        let Ok(url) = Url::parse(endpoint.base_url.trim_end_matches('/')) else {
            return Err(EndpointError::Url);
        };
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if !is_web || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(EndpointError::Url);
        }
        let mut headers = HeaderMap::new();
        let key = endpoint.api_key.clone().unwrap_or_default();
        if !key.expose_secret().is_empty() {
            let bearer = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()));
            let Ok(mut bearer) = bearer else { return Err(EndpointError::ApiKey) };
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok((Self { base, key, headers }, url))
    }
}

impl Config for Address {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(base_url: &str, api_key: &str) -> ModelEndpoint {
        ModelEndpoint {
            base_url: base_url.to_owned(),
            api_key: Some(api_key.into()),
            models: BTreeMap::new(),
            user_fields: Vec::new(),
            limits: EndpointLimits::default(),
        }
    }

    #[test]
    fn the_version_path_stays_and_a_trailing_slash_does_not() {
        let (address, _) = Address::parse(&endpoint("https://api.deepseek.com/v1/", "k")).unwrap();
        assert_eq!(address.url("/chat/completions"), "https://api.deepseek.com/v1/chat/completions");
        let (address, url) = Address::parse(&endpoint("http://[::1]:8080", "k")).unwrap();
        assert_eq!(address.url("/models"), "http://[::1]:8080/models");
        assert!(is_loopback(&url));
    }

    #[test]
    fn what_cannot_work_is_refused_before_the_start() {
        for bad in ["", "offline:", "ftp://x/v1", "https://", "https://x/v1?a=b", "https://user@x/v1"] {
            assert_eq!(Address::parse(&endpoint(bad, "k")).err(), Some(EndpointError::Url), "{bad}");
        }
        let broken = Address::parse(&endpoint("https://x/v1", "sk-\n1"));
        assert_eq!(broken.err(), Some(EndpointError::ApiKey));
    }
}
