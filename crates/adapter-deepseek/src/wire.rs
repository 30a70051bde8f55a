//! What goes over the wire: a request as every compatible endpoint reads it, and chunks of the answer through
//! types that take what they know and forgive the rest.

use chat::ports::ReplyRequest;
use chat::prompt::PromptRole;
use kernel::TokenUsage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::endpoint::{ProviderModel, Thinking};

/// Longest word of a vendor that is passed on.
const WORD_CHARS_MAX: usize = 64;

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: &'a str,
}

/// The body of a request. Streaming and usage are always asked for.
pub(crate) fn request_body(request: &ReplyRequest, model: &ProviderModel, user_fields: &[String]) -> Value {
    let mut body = model.extra.clone();
    for field in user_fields {
        body.insert(field.clone(), Value::from(request.user_tag.as_str()));
    }
    match model.thinking {
        Thinking::Unsaid => {}
        Thinking::Disabled => set(&mut body, "thinking", json!({"type": "disabled"})),
        Thinking::Enabled => set(&mut body, "thinking", json!({"type": "enabled"})),
    }
    set(&mut body, "model", Value::from(model.name.as_str()));
    set(&mut body, "messages", json!(messages(request)));
    set(&mut body, "max_tokens", Value::from(request.output_tokens_max));
    set(&mut body, "stream", Value::from(true));
    set(&mut body, "stream_options", json!({"include_usage": true}));
    Value::Object(body)
}

fn set(body: &mut Map<String, Value>, field: &str, value: Value) {
    body.insert(field.to_owned(), value);
}

fn messages(request: &ReplyRequest) -> Vec<Said<'_>> {
    let prompt = &request.prompt;
    let system = (!prompt.system.is_empty()).then_some(Said { role: "system", content: &prompt.system });
    let turns = prompt.turns.iter().map(|turn| Said {
        role: match turn.role {
            PromptRole::User => "user",
            PromptRole::Assistant => "assistant",
        },
        content: &turn.text,
    });
    system.into_iter().chain(turns).collect()
}

/// One chunk of an answer. A field of another shape than ours is as good as absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chunk {
    #[serde(deserialize_with = "forgiving")]
    pub(crate) model: Option<String>,
    #[serde(deserialize_with = "forgiving")]
    pub(crate) choices: Option<Vec<Choice>>,
    #[serde(deserialize_with = "forgiving")]
    pub(crate) usage: Option<Usage>,
    #[serde(deserialize_with = "forgiving")]
    pub(crate) error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice {
    #[serde(deserialize_with = "forgiving")]
    pub(crate) index: Option<u64>,
    #[serde(deserialize_with = "forgiving")]
    pub(crate) delta: Option<Delta>,
    #[serde(deserialize_with = "forgiving")]
    pub(crate) finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Delta {
    #[serde(deserialize_with = "forgiving")]
    pub(crate) content: Option<String>,
    #[serde(deserialize_with = "forgiving")]
    pub(crate) reasoning_content: Option<String>,
    /// What some servers call it.
    #[serde(deserialize_with = "forgiving")]
    pub(crate) reasoning: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    #[serde(deserialize_with = "forgiving")]
    prompt_tokens: Option<u64>,
    #[serde(deserialize_with = "forgiving")]
    completion_tokens: Option<u64>,
    #[serde(deserialize_with = "forgiving")]
    prompt_cache_hit_tokens: Option<u64>,
    #[serde(deserialize_with = "forgiving")]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(deserialize_with = "forgiving")]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    #[serde(deserialize_with = "forgiving")]
    cached_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    #[serde(deserialize_with = "forgiving")]
    reasoning_tokens: Option<u64>,
}

impl Usage {
    /// The provider's count, if it says anything: where no cache is named, every prompt token missed it.
    pub(crate) fn tokens(&self) -> Option<TokenUsage> {
        if self.prompt_tokens.is_none() && self.completion_tokens.is_none() {
            return None;
        }
        let in_details = self.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
        let reasoning = self.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens);
        let prompt = count(self.prompt_tokens);
        let completion = count(self.completion_tokens);
        Some(TokenUsage {
            prompt,
            cached: count(self.prompt_cache_hit_tokens.or(in_details)).min(prompt),
            completion,
            reasoning: count(reasoning).min(completion),
        })
    }
}

fn count(tokens: Option<u64>) -> u32 {
    u32::try_from(tokens.unwrap_or(0)).unwrap_or(u32::MAX)
}

/// A vendor's error as words that may be logged: its `type` and `code`, never its message, which may repeat the
/// prompt or the key.
pub(crate) fn error_words(error: &Value) -> String {
    let word = |field: &str| error.get(field).and_then(Value::as_str).map(as_word);
    let words: Vec<String> =
        ["type", "code"].into_iter().filter_map(word).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "no reason named".to_owned() } else { words.join(", ") }
}

/// A vendor's word with nothing in it but letters, digits and a few marks.
pub(crate) fn as_word(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.chars().filter(plain).take(WORD_CHARS_MAX).collect()
}

fn forgiving<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Value::deserialize(deserializer).map(|value| serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(value: Value) -> Option<TokenUsage> {
        serde_json::from_value::<Usage>(value).unwrap().tokens()
    }

    #[test]
    fn cache_hits_are_read_in_both_spellings_and_never_exceed_the_prompt() {
        let deepseek = json!({"prompt_tokens": 30, "completion_tokens": 7, "prompt_cache_hit_tokens": 20,
            "completion_tokens_details": {"reasoning_tokens": 4}});
        assert_eq!(usage(deepseek), Some(TokenUsage { prompt: 30, cached: 20, completion: 7, reasoning: 4 }));
        let other = json!({"prompt_tokens": 30, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 99}});
        assert_eq!(usage(other), Some(TokenUsage { prompt: 30, cached: 30, completion: 7, reasoning: 0 }));
        assert_eq!(usage(json!({"total_tokens": 3})), None);
    }

    #[test]
    fn strange_shapes_are_as_good_as_absent() {
        let chunk: Chunk = serde_json::from_value(json!({
            "model": 7, "usage": "none", "error": null, "service_tier": "gold",
            "choices": [{"index": 0, "delta": {"content": "学", "tool_calls": 3}, "finish_reason": null}],
        }))
        .unwrap();
        assert!(chunk.model.is_none() && chunk.usage.is_none());
        let choices = chunk.choices.unwrap();
        assert_eq!(choices[0].delta.as_ref().unwrap().content.as_deref(), Some("学"));
    }

    #[test]
    fn an_error_is_passed_on_by_its_words_alone() {
        let error = json!({"message": "the prompt was: 学而", "type": "invalid_request_error\n", "code": 7});
        assert_eq!(error_words(&error), "invalid_request_error");
        assert_eq!(error_words(&json!("学而")), "no reason named");
    }
}
