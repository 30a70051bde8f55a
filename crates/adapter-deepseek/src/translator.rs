//! From a vendor's chunks to the events of a reply: a pure state machine.

use chat::ports::{FinishReason, ModelError, ReplyEvent};

use crate::wire::{Choice, Chunk, as_word, error_words};

/// What was said so far, as far as it matters for what follows.
#[derive(Default)]
pub(crate) struct Translator {
    model: Option<String>,
    has_begun: bool,
    is_finished: bool,
}

impl Translator {
    /// Whether content or a finish has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether the finish has come.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// The events of one chunk, in order. After the finish only usage counts.
    pub(crate) fn read(&mut self, chunk: Chunk) -> Result<Vec<ReplyEvent>, ModelError> {
        if let Some(error) = chunk.error.filter(|error| !error.is_null())
            && !self.is_finished
        {
            return Err(self.vendor_error(&error_words(&error)));
        }
        if let Some(model) = chunk.model.filter(|model| !model.is_empty()) {
            self.model = Some(model);
        }
        let mut events = Vec::new();
        let choices = chunk.choices.unwrap_or_default();
        for choice in choices.into_iter().filter(|choice| choice.index.unwrap_or(0) == 0) {
            self.read_choice(choice, &mut events);
        }
        // Before a finish in the same chunk, so that who stops at the finish has it already.
        if let Some(tokens) = chunk.usage.and_then(|usage| usage.tokens()) {
            let finishes = events.last().is_some_and(|event| matches!(event, ReplyEvent::Finish { .. }));
            let at = events.len().saturating_sub(usize::from(finishes));
            events.insert(at, ReplyEvent::Usage(tokens));
        }
        Ok(events)
    }

    fn read_choice(&mut self, choice: Choice, events: &mut Vec<ReplyEvent>) {
        if self.is_finished {
            return;
        }
        let delta = choice.delta.unwrap_or_default();
        let thought = delta.reasoning_content.or(delta.reasoning).is_some_and(|thought| !thought.is_empty());
        if thought {
            events.push(ReplyEvent::Thinking);
        }
        if let Some(text) = delta.content.filter(|text| !text.is_empty()) {
            events.push(ReplyEvent::Text(text));
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            self.is_finished = true;
            events.push(ReplyEvent::Finish { reason: finish_reason(&reason), model: self.model.take() });
        }
        self.has_begun |= !events.is_empty();
    }

    fn vendor_error(&self, words: &str) -> ModelError {
        if self.has_begun {
            ModelError::Cut(format!("the endpoint reported an error: {words}"))
        } else {
            ModelError::Unavailable(format!("the endpoint reported an error: {words}"))
        }
    }
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "content_filter" => FinishReason::ContentFilter,
        other => FinishReason::Other(as_word(other)),
    }
}

#[cfg(test)]
mod tests {
    use kernel::TokenUsage;
    use serde_json::{Value, json};

    use super::*;

    fn read(translator: &mut Translator, chunk: Value) -> Result<Vec<ReplyEvent>, ModelError> {
        translator.read(serde_json::from_value(chunk).unwrap())
    }

    fn delta(delta: &Value) -> Value {
        json!({"model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    }

    #[test]
    fn thinking_is_life_and_not_text() {
        let mut translator = Translator::default();
        assert_eq!(read(&mut translator, delta(&json!({"role": "assistant", "content": ""}))), Ok(vec![]));
        assert!(!translator.has_begun());
        let thought = delta(&json!({"reasoning_content": "嗯", "content": null}));
        assert_eq!(read(&mut translator, thought), Ok(vec![ReplyEvent::Thinking]));
        assert!(translator.has_begun());
        let text = read(&mut translator, delta(&json!({"content": "学"})));
        assert_eq!(text, Ok(vec![ReplyEvent::Text("学".into())]));
    }

    #[test]
    fn usage_comes_with_the_finish_or_after_it() {
        let mut translator = Translator::default();
        let finish = json!({"model": "m-1", "choices": [{"delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 2, "completion_tokens": 1}});
        let usage =
            |completion| ReplyEvent::Usage(TokenUsage { prompt: 2, completion, ..TokenUsage::default() });
        let finished = ReplyEvent::Finish { reason: FinishReason::Stop, model: Some("m-1".into()) };
        assert_eq!(read(&mut translator, finish), Ok(vec![usage(1), finished]));
        let late = json!({"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 5}});
        assert_eq!(read(&mut translator, late), Ok(vec![usage(5)]));
        assert_eq!(read(&mut translator, delta(&json!({"content": "more"}))), Ok(vec![]));
    }

    #[test]
    fn unknown_reasons_survive_as_words() {
        let mut translator = Translator::default();
        let finish = json!({"choices": [{"delta": {}, "finish_reason": "insufficient_system_resource"}]});
        let reason = FinishReason::Other("insufficient_system_resource".into());
        assert_eq!(read(&mut translator, finish), Ok(vec![ReplyEvent::Finish { reason, model: None }]));
    }

    #[test]
    fn a_vendors_error_ends_the_reply_without_its_message() {
        let error = json!({"error": {"message": "secret prompt", "code": "overloaded"}});
        let before = read(&mut Translator::default(), error.clone());
        assert_eq!(before, Err(ModelError::Unavailable("the endpoint reported an error: overloaded".into())));
        let mut begun = Translator::default();
        read(&mut begun, delta(&json!({"content": "学"}))).unwrap();
        let after = read(&mut begun, error);
        assert_eq!(after, Err(ModelError::Cut("the endpoint reported an error: overloaded".into())));
    }

    #[test]
    fn other_choices_than_the_first_are_not_ours() {
        let chunk = json!({"choices": [{"index": 1, "delta": {"content": "二"}}]});
        assert_eq!(read(&mut Translator::default(), chunk), Ok(vec![]));
    }
}
