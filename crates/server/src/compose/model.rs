//! The language model: offline, or any OpenAI-compatible endpoint.

use std::sync::Arc;

use adapter_deepseek::{
    EndpointLimits, ModelEndpoint, OpenAiCompatibleModel, ProviderModel, Thinking as Reasoning,
};
use adapter_memory::OfflineModel;
use anyhow::Context;
use chat::ports::ReplyModel;
use kernel::Clock;
use serde_json::Map;

use super::aliases;
use crate::config::{Alias, Config, Thinking, UserField};
use crate::health::Check;

/// Milliseconds between two pieces of an offline reply: fast, and yet seen to stream.
const OFFLINE_PACE_MS: i64 = 15;

/// What `model.url` names.
pub(super) fn open(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<dyn ReplyModel>> {
    if config.is_offline_model() {
        return Ok(Arc::new(OfflineModel::new(Arc::clone(clock), OFFLINE_PACE_MS)));
    }
    let model = OpenAiCompatibleModel::new(endpoint(config), Arc::clone(clock)).context("model.url")?;
    Ok(Arc::new(model))
}

/// The server answers much without its model, so this one is not required.
pub(super) fn check(model: Arc<dyn ReplyModel>) -> Check {
    let probe = move || -> futures::future::BoxFuture<'static, bool> {
        let model = Arc::clone(&model);
        Box::pin(async move { model.is_ready().await })
    };
    Check { name: "model", is_required: false, probe: Box::new(probe) }
}

fn endpoint(config: &Config) -> ModelEndpoint {
    let model = &config.model;
    let millis = |seconds: u32| i64::from(seconds) * 1_000;
    ModelEndpoint {
        base_url: model.url.clone(),
        api_key: model.api_key.clone(),
        models: aliases(config).map(|(name, alias)| (name.to_owned(), provider_model(alias))).collect(),
        user_fields: user_fields(model.user_field, &model.url),
        limits: EndpointLimits {
            connect_ms: millis(model.connect_seconds),
            first_content_ms: millis(model.first_content_seconds),
            first_content_total_ms: millis(model.queue_seconds),
            idle_ms: millis(model.idle_seconds),
            // The service ends an answer that takes too long, and counts from its first text; this only bounds a
            // provider that thinks for ever.
            answer_ms: millis(model.total_seconds.saturating_add(model.queue_seconds)),
            retries_max: model.retries_max,
            ..EndpointLimits::default()
        },
    }
}

fn provider_model(alias: &Alias) -> ProviderModel {
    let thinking = match alias.thinking {
        Thinking::Provider => Reasoning::Unsaid,
        Thinking::On => Reasoning::Enabled,
        Thinking::Off => Reasoning::Disabled,
    };
    ProviderModel { name: alias.name.clone(), thinking, extra: Map::new() }
}

fn user_fields(field: UserField, url: &str) -> Vec<String> {
    let name = match field {
        UserField::None => return Vec::new(),
        UserField::UserId => "user_id",
        UserField::Auto if url.contains("deepseek.com") => "user_id",
        UserField::User | UserField::Auto => "user",
    };
    vec![name.to_owned()]
}
