//! The port: a request goes out, a stream of events comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_openai::Client;
use async_openai::middleware::HttpRequestFactory;
use async_trait::async_trait;
use chat::ports::{ModelError, ReplyEvents, ReplyModel, ReplyRequest};
use futures::stream;
use kernel::{Clock, Timestamp};
use reqwest::redirect::Policy;
use tokio::sync::Mutex;
use tower::service_fn;

use crate::answer::{Answer, before_first_content};
use crate::attempt;
use crate::call::{Call, Waiting};
use crate::endpoint::{
    Address, EndpointError, EndpointLimits, ModelEndpoint, ProviderModel, duration, is_loopback,
};
use crate::wire::request_body;

/// A readiness check takes no longer, whatever is configured.
const READY_MS_MAX: i64 = 2_000;

/// The models of one OpenAI-compatible endpoint.
pub struct OpenAiCompatibleModel {
    address: Address,
    models: BTreeMap<String, ProviderModel>,
    user_fields: Vec<String>,
    limits: EndpointLimits,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    readiness: Mutex<Option<Readiness>>,
}

struct Readiness {
    is_ready: bool,
    checked_at: Timestamp,
}

impl OpenAiCompatibleModel {
    /// Checks the configuration and prepares the HTTP client; nothing is sent yet. The timers run on `clock`.
    pub fn new(endpoint: ModelEndpoint, clock: Arc<dyn Clock>) -> Result<Self, EndpointError> {
        if endpoint.models.is_empty() {
            return Err(EndpointError::NoModels);
        }
        let (address, url) = Address::parse(&endpoint)?;
        let limits = endpoint.limits;
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("jixia/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(duration(limits.connect_ms))
            // A redirect would carry the prompt, and perhaps the key, to a host that nobody configured.
            .redirect(Policy::none())
            // Other parts of the program may have turned these on; a stream that unpacks has no bound.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd();
        if is_loopback(&url) {
            http = http.no_proxy();
        }
        let Ok(http) = http.build() else { return Err(EndpointError::Client) };
        Ok(Self {
            address,
            models: endpoint.models,
            user_fields: endpoint.user_fields,
            limits,
            http,
            clock,
            readiness: Mutex::new(None),
        })
    }

    /// A client whose requests go through our own attempts, for one call.
    fn client(&self, call: &Arc<Call>) -> Client<Address> {
        let http = self.http.clone();
        let call = Arc::clone(call);
        let service = service_fn(move |factory: HttpRequestFactory| {
            attempt::send(http.clone(), factory, Arc::clone(&call))
        });
        Client::build(self.http.clone(), self.address.clone()).with_http_service(service)
    }

    async fn answers(&self) -> bool {
        use async_openai::config::Config;
        let models = self.http.head(self.address.url("/models"));
        let deadline = duration(self.limits.ready_ms.min(READY_MS_MAX));
        // Any answer will do: the key is not sent, and what it may ask for is not the question.
        models.timeout(deadline).send().await.is_ok()
    }
}

#[async_trait]
impl ReplyModel for OpenAiCompatibleModel {
    async fn stream(&self, request: &ReplyRequest) -> Result<ReplyEvents, ModelError> {
        let Some(model) = self.models.get(&request.model_alias) else {
            return Err(ModelError::Unavailable(format!(
                "no model is configured as {}",
                request.model_alias
            )));
        };
        let body = request_body(request, model, &self.user_fields);
        let (_, seed) = request.message_id.as_uuid().as_u64_pair();
        let call = Arc::new(Call::begin(Arc::clone(&self.clock), self.limits, seed));
        let client = self.client(&call);
        let chat = client.chat();
        let beginning = chat.create_stream_byot::<_, Waiting>(body);
        let Ok(chunks) = before_first_content(&call, beginning).await? else {
            let unknown = || ModelError::Unavailable("the request could not be sent".to_owned());
            return Err(call.take_failure().unwrap_or_else(unknown));
        };
        Ok(Box::pin(stream::unfold(Answer::new(chunks, call), |mut answer| async move {
            let event = answer.next().await?;
            Some((event, answer))
        })))
    }

    async fn is_ready(&self) -> bool {
        let mut readiness = self.readiness.lock().await;
        let now = self.clock.now();
        if let Some(known) = &*readiness
            && now.millis_since(known.checked_at) < self.limits.ready_life_ms
        {
            return known.is_ready;
        }
        let is_ready = self.answers().await;
        *readiness = Some(Readiness { is_ready, checked_at: now });
        is_ready
    }
}
