//! The adapter for OpenAI-compatible endpoints against everything that an endpoint may do to it.

mod refusals;
mod streams;
mod timers;

use std::collections::BTreeMap;
use std::sync::Arc;

use adapter_deepseek::{EndpointLimits, ModelEndpoint, OpenAiCompatibleModel, ProviderModel, Thinking};
use chat::ports::{ReplyEvents, ReplyModel};
use futures::FutureExt;
use kernel::{Clock, ManualClock, Timestamp};
use serde_json::Map;
use tests::contract::reply_model::{ALIAS, request};
use tests::fakes::openai::FakeOpenAi;

/// The key that the adapter is given.
const KEY: &str = "sk-test-1234567890";

/// The adapter with defaults, on an endpoint.
pub fn adapter_on(base_url: &str, clock: Arc<dyn Clock>) -> OpenAiCompatibleModel {
    let model =
        ProviderModel { name: "provider-model".to_owned(), thinking: Thinking::Disabled, extra: Map::new() };
    let endpoint = ModelEndpoint {
        base_url: base_url.to_owned(),
        api_key: Some(KEY.into()),
        models: BTreeMap::from([(ALIAS.to_owned(), model)]),
        user_fields: vec!["user_id".to_owned(), "user".to_owned()],
        limits: EndpointLimits::default(),
    };
    OpenAiCompatibleModel::new(endpoint, clock).expect("a configuration that works")
}

/// An endpoint, the adapter on it, and the clock of its timers.
struct Bench {
    endpoint: FakeOpenAi,
    model: Arc<OpenAiCompatibleModel>,
    clock: Arc<ManualClock>,
}

impl Bench {
    async fn new() -> Self {
        let endpoint = FakeOpenAi::start().await;
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
        let model = Arc::new(adapter_on(&endpoint.url(), clock.clone()));
        Self { endpoint, model, clock }
    }

    async fn begin(&self) -> ReplyEvents {
        self.model.stream(&request("学而？")).await.expect("a stream")
    }

    /// Waits until so many timers run; what runs them does so before it waits for the endpoint.
    async fn timers(&self, count: usize) {
        while self.clock.sleeper_count() != count {
            tokio::task::yield_now().await;
        }
    }
}

/// Runs a future as far as it comes by itself.
fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    future.now_or_never().is_none()
}
