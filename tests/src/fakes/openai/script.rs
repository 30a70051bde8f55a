//! What a fake endpoint does to one request, step by step.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// The provider's name for every scripted model.
pub(super) const MODEL: &str = "fake-model-1";

/// Steps that are played in order; when they are over, the connection is closed.
#[derive(Default)]
pub struct Script {
    pub(super) steps: Vec<Step>,
}

pub(super) enum Step {
    /// Bytes as they are.
    Plain(Vec<u8>),
    /// Bytes as one chunk of the chunked encoding.
    Chunk(Vec<u8>),
    /// So many pieces of 64 KiB of one letter.
    Flood(usize),
    Pause(u64),
    Wait(Gate),
}

/// Holds a script until the test lets it go on.
#[derive(Clone)]
pub struct Gate {
    reached: Arc<Semaphore>,
    opened: Arc<Semaphore>,
}

impl Gate {
    /// A closed gate.
    #[expect(clippy::new_without_default, reason = "a gate is made on purpose, never filled in")]
    pub fn new() -> Self {
        Self { reached: Arc::new(Semaphore::new(0)), opened: Arc::new(Semaphore::new(0)) }
    }

    /// Lets one script pass, now or when it comes.
    pub fn open(&self) {
        self.opened.add_permits(1);
    }

    /// Waits until a script stands at the gate; each script counts once.
    pub async fn reached(&self) {
        take(&self.reached).await;
    }

    pub(super) async fn pass(&self) {
        self.reached.add_permits(1);
        take(&self.opened).await;
    }
}

async fn take(permits: &Semaphore) {
    // Nobody closes these semaphores.
    if let Ok(permit) = permits.acquire().await {
        permit.forget();
    }
}

impl Script {
    /// Begins a stream of events.
    pub fn stream() -> Self {
        Self::head(200, &[("content-type", "text/event-stream")])
    }

    /// Begins an answer with these headers and a body in chunks.
    pub fn head(status: u16, headers: &[(&str, &str)]) -> Self {
        let all = [("transfer-encoding", "chunked"), ("connection", "close")].iter().chain(headers);
        let fields: Vec<String> = all.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("HTTP/1.1 {status} Scripted\r\n{}\r\n", fields.concat());
        Self::default().plain(head.as_bytes())
    }

    /// A whole answer that is an error in OpenAI's shape.
    pub fn error(status: u16, headers: &[(&str, &str)], error: &Value) -> Self {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        Self::head(status, &all).raw(json!({ "error": error }).to_string().as_bytes()).end()
    }

    /// Takes the request and closes the connection when the gate opens, without a byte.
    pub fn silent(gate: &Gate) -> Self {
        Self::default().wait(gate)
    }

    /// A piece of the answer's text.
    pub fn text(self, text: &str) -> Self {
        self.delta(&json!({ "content": text }))
    }

    /// A piece of reasoning.
    pub fn thought(self, text: &str) -> Self {
        self.delta(&json!({ "reasoning_content": text, "content": null }))
    }

    /// The finish.
    pub fn finish(self, reason: &str) -> Self {
        self.data(&json!({ "id": "1", "model": MODEL, "object": "chat.completion.chunk",
            "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }))
    }

    /// The provider's count, in a chunk without choices.
    pub fn usage(self, usage: &Value) -> Self {
        self.data(&json!({ "id": "1", "model": MODEL, "object": "chat.completion.chunk", "choices": [], "usage": usage }))
    }

    /// A delta of the first choice.
    pub fn delta(self, delta: &Value) -> Self {
        self.data(&json!({ "id": "1", "model": MODEL, "object": "chat.completion.chunk",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] }))
    }

    /// An event with this JSON.
    pub fn data(self, data: &Value) -> Self {
        self.raw(format!("data: {data}\n\n").as_bytes())
    }

    /// A sign of life that is no event.
    pub fn keep_alive(self) -> Self {
        self.raw(b": keep-alive\n\n")
    }

    /// Bytes of the body, in one chunk of their own.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.steps.push(Step::Chunk(bytes.to_vec()));
        self
    }

    /// Letters without an end of line, in pieces of 64 KiB.
    pub fn flood(mut self, pieces: usize) -> Self {
        self.steps.push(Step::Flood(pieces));
        self
    }

    /// Waits for the test.
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    /// Waits so many milliseconds; for the endpoint that people try, never for a test.
    pub(super) fn pause(mut self, millis: u64) -> Self {
        if millis > 0 {
            self.steps.push(Step::Pause(millis));
        }
        self
    }

    /// The stream's last event, and the end of the body.
    pub fn done(self) -> Self {
        self.raw(b"data: [DONE]\n\n").end()
    }

    /// The end of the body, as HTTP wants it. Without it the connection breaks inside the body.
    pub fn end(self) -> Self {
        self.plain(b"0\r\n\r\n")
    }

    fn plain(mut self, bytes: &[u8]) -> Self {
        self.steps.push(Step::Plain(bytes.to_vec()));
        self
    }
}
