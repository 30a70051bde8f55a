//! Any OpenAI-compatible model endpoint: DeepSeek, another provider, or a server of one's own.
//!
//! What goes over the wire is read through types of our own that forgive what vendors add, leave out or name
//! differently. Everything is bounded: connecting, waiting, lines, bodies, retries and what is read ahead.

mod answer;
mod attempt;
mod body;
mod call;
mod chunk;
mod endpoint;
mod lines;
mod reply_model;
mod translator;
mod wire;

pub use endpoint::{EndpointError, EndpointLimits, ModelEndpoint, ProviderModel, Thinking};
pub use reply_model::OpenAiCompatibleModel;
