//! What every `chat::ports::ReplyModel` must do.

use std::time::Duration;

use chat::generation::estimate_tokens;
use chat::ports::{FinishReason, ModelError, Persona, ReplyEvent, ReplyModel, ReplyRequest, Retrieved};
use chat::prompt::{PromptParts, build};
use futures::StreamExt;
use kernel::{Id, TokenUsage};
use tokio::time::timeout;
use uuid::Uuid;

/// The alias that requests of these tests name.
pub const ALIAS: &str = "default";
/// The passage that requests of these tests carry.
pub const QUOTE: &str = "学而时习之，不亦说乎？";

/// A question to 孔子, with a passage.
pub fn request(question: &str) -> ReplyRequest {
    let persona = Persona {
        lines: vec!["温故而知新，可以为师矣。".to_owned()],
        uses_knowledge: true,
        ..Persona::named("classics_kongzi".parse().expect("a valid name"), "孔子", "你是孔子。")
    };
    let passage = Retrieved {
        passage_id: "lunyu.1.1".to_owned(),
        work: "论语".to_owned(),
        chapter: "学而".to_owned(),
        text: QUOTE.to_owned(),
        score: 1.0,
    };
    let parts =
        PromptParts { persona: &persona, passages: &[passage], history: &[], question, tokens_max: 4_000 };
    ReplyRequest {
        message_id: Id::from_uuid(Uuid::from_u128(1)),
        model_alias: ALIAS.to_owned(),
        prompt: build(parts),
        output_tokens_max: 4_000,
        user_tag: "tag-1".to_owned(),
    }
}

/// A stream read to its end.
#[derive(Debug, Default, PartialEq)]
pub struct Read {
    /// All text.
    pub text: String,
    /// How often it was thinking.
    pub thoughts: usize,
    /// The last count.
    pub usage: Option<TokenUsage>,
    /// The finish and the model's name.
    pub finish: Option<(FinishReason, Option<String>)>,
    /// The error.
    pub error: Option<ModelError>,
}

/// Reads a model's answer, and holds its stream to the rules of the port.
pub async fn read(model: &dyn ReplyModel, request: &ReplyRequest) -> Read {
    let mut read = Read::default();
    let mut events = match model.stream(request).await {
        Ok(events) => events,
        Err(error) => return Read { error: Some(error), ..read },
    };
    while let Some(event) = events.next().await {
        assert!(read.error.is_none(), "nothing follows an error");
        match event {
            Ok(ReplyEvent::Text(text)) => {
                assert!(
                    read.finish.is_none() && !text.is_empty(),
                    "no empty text, and none after the finish"
                );
                read.text.push_str(&text);
            }
            Ok(ReplyEvent::Thinking) => read.thoughts += 1,
            Ok(ReplyEvent::Usage(usage)) => read.usage = Some(usage),
            Ok(ReplyEvent::Finish { reason, model }) => {
                assert!(read.finish.is_none(), "one finish");
                read.finish = Some((reason, model));
            }
            Err(error) => read.error = Some(error),
        }
    }
    assert!(read.finish.is_some() != read.error.is_some(), "a finish or an error: {read:?}");
    read
}

/// The stream MUST yield exactly one finish, and end after it.
pub async fn an_answer_ends_with_one_finish(model: &dyn ReplyModel) {
    let read = read(model, &request("学而时习之是什么意思？")).await;
    assert!(matches!(&read.finish, Some((FinishReason::Stop, Some(name))) if !name.is_empty()), "{read:?}");
    assert!(read.text.contains(QUOTE) && read.text.contains("[1]"), "{}", read.text);
}

/// What an answer costs is counted.
pub async fn an_answer_is_counted(model: &dyn ReplyModel) {
    let usage = read(model, &request("学而时习之？")).await.usage.expect("a count");
    assert!(usage.prompt > 0 && usage.completion > 0, "{usage:?}");
    assert!(usage.cached <= usage.prompt && usage.reasoning <= usage.completion, "{usage:?}");
}

/// The output limit holds, and is named as the reason.
pub async fn the_output_limit_ends_an_answer(model: &dyn ReplyModel) {
    let short = ReplyRequest { output_tokens_max: 12, ..request("学而时习之？") };
    let read = read(model, &short).await;
    assert!(matches!(read.finish, Some((FinishReason::Length, _))), "{read:?}");
    assert!(read.usage.expect("a count").completion <= 12);
    assert!(!read.text.is_empty() && estimate_tokens(&read.text) <= 24, "{}", read.text);
}

/// Readiness MUST be known within two seconds.
pub async fn readiness_is_known_in_time(model: &dyn ReplyModel) {
    assert!(timeout(Duration::from_secs(2), model.is_ready()).await.expect("an answer in time"));
}
