//! The model without a conversation: one answer to messages that are not stored.

use std::sync::Arc;

use chat::prompt::PromptRole;
use chat::{Completion, CompletionEvent, Failure};
use futures::StreamExt;
use futures::future::{Either, select};
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Work, work};
use crate::detached::detached;
use crate::message_view::UsageView;
use crate::problem::{Problem, Slug};
use crate::ws::envelope::Request;
use crate::ws::session::Session;

/// What is asked. Other fields of earlier clients (`temperature`, `metadata`) are taken and do nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AskData {
    messages: Vec<AskedMessage>,
    model_alias: Option<String>,
    max_tokens: Option<u32>,
    character_id: Option<String>,
    character_name: Option<String>,
    system_prompt: Option<String>,
}

#[derive(Deserialize)]
struct AskedMessage {
    role: AskedRole,
    content: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum AskedRole {
    User,
    Assistant,
    /// What a person calls the system's text is said as theirs.
    System,
}

impl From<AskData> for Completion {
    fn from(data: AskData) -> Self {
        let prompt = data.system_prompt.filter(|text| !text.trim().is_empty());
        let prompt = prompt.map(|text| (PromptRole::User, text));
        let said = data.messages.into_iter().map(|message| match message.role {
            AskedRole::User | AskedRole::System => (PromptRole::User, message.content),
            AskedRole::Assistant => (PromptRole::Assistant, message.content),
        });
        Self {
            messages: prompt.into_iter().chain(said).collect(),
            model: data.model_alias,
            character: data.character_id.or(data.character_name),
            max_tokens: data.max_tokens,
        }
    }
}

#[derive(Serialize)]
struct Whole {
    text: String,
    model: String,
    usage: Option<UsageView>,
}

#[derive(Serialize)]
struct Piece<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Done {
    model: String,
    usage: Option<UsageView>,
}

#[derive(Serialize)]
struct Start {}

/// Answers in one piece.
pub(in crate::ws) fn chat(request: &Request) -> Result<Work, Problem> {
    let data: AskData = request.data()?;
    Ok(work(async move |call: Arc<Call>| {
        let (_, mut events) = call.gateway.chat.complete(call.user()?, data.into()).await?;
        while let Some(event) = events.next().await {
            match event {
                CompletionEvent::Text(_) => {}
                CompletionEvent::Done { text, model, usage } => {
                    return Ok(Some(
                        call.answer("result", &Whole { text, model, usage: usage.map(Into::into) }),
                    ));
                }
                CompletionEvent::Failed { failure, .. } => return Err(failed(failure)),
            }
        }
        Err(Problem::new(Slug::ModelUnavailable))
    }))
}

/// Answers while it grows; a connection that goes away stops it.
pub(in crate::ws) fn stream(session: &Session, request: &Request) -> Result<Work, Problem> {
    let data: AskData = request.data()?;
    let gone = session.connection().state.borrow_mut().end();
    Ok(work(async move |call: Arc<Call>| {
        let streaming = std::pin::pin!(tell(&call, data.into()));
        match select(streaming, gone).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Ok(None),
        }
    }))
}

async fn tell(call: &Call, completion: Completion) -> Answer {
    let (user, chat) = (call.user()?, Arc::clone(&call.gateway.chat));
    // A hold that is being made is made to its end: the answer frees it where nobody is there to hear it.
    let beginning = async move { chat.complete(user, completion).await };
    let (_, mut events) = detached(&call.gateway.tasks, beginning).await?;
    call.say("start", &Start {});
    while let Some(event) = events.next().await {
        match event {
            CompletionEvent::Text(text) => call.say("chunk", &Piece { text: &text }),
            CompletionEvent::Done { text, model, usage } => {
                call.say("final", &Piece { text: &text });
                return Ok(Some(call.answer("done", &Done { model, usage: usage.map(Into::into) })));
            }
            CompletionEvent::Failed { failure, .. } => return Err(failed(failure)),
        }
    }
    Err(Problem::new(Slug::ModelUnavailable))
}

fn failed(failure: Failure) -> Problem {
    Problem::new(match failure {
        Failure::ModelTimeout => Slug::ModelTimeout,
        Failure::ModelUnavailable | Failure::ServerLost => Slug::ModelUnavailable,
    })
}
