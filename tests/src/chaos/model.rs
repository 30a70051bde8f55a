//! A model endpoint for a run: slow answers of drawn lengths that repeat nothing of the prompt, and a note of which
//! messages each prompt held.
//!
//! The fake of the other tests quotes the question, which would bring a recalled body back in a reply's text.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::dice::Dice;
use super::evidence::{Prompt, markers_of};
use super::run::RunClock;

/// The endpoint; it stops when it is dropped.
pub struct Model {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: AbortHandle,
}

/// How it answers.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Milliseconds between two tokens.
    pub token_ms: u64,
    /// Least and most tokens of an answer.
    pub tokens: (u64, u64),
}

struct Shared {
    pace: Pace,
    dice: Dice,
    clock: RunClock,
    asked: AtomicU64,
    speaking: AtomicUsize,
    is_held: AtomicBool,
    prompts: Mutex<Vec<Prompt>>,
}

/// Counts an answer while it is given.
struct Speaking<'a>(&'a AtomicUsize);

/// Within what the default alias allows.
const HELD_TOKENS_MAX: u64 = 1_000;
/// Of one, two and more bytes and of two UTF-16 units: what offsets are wrong about first.
const WORDS: [&str; 12] =
    ["学而时习之", "，不亦说乎", "𠀀𠮷", "\n", "é", "word ", "😀", "\\\"", "君子", "👨‍👩‍👧", "。", "仁 "];

impl Model {
    /// Listens on a free port of loopback.
    pub async fn start(pace: Pace, dice: Dice, clock: RunClock) -> Self {
        let socket = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = socket.local_addr().expect("an address");
        let (asked, speaking, is_held, prompts) = Default::default();
        let shared = Arc::new(Shared { pace, dice, clock, asked, speaking, is_held, prompts });
        #[expect(clippy::disallowed_methods, reason = "the endpoint's own task, which ends with it")]
        let listener = tokio::spawn(accept(socket, Arc::clone(&shared))).abort_handle();
        Self { address, shared, listener }
    }

    /// The base URL with its version path.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers that are being given now.
    pub fn speaking(&self) -> usize {
        self.shared.speaking.load(Ordering::Relaxed)
    }

    /// Lets no answer end, until it is told otherwise: so that many run at once however slowly they begin.
    pub fn hold(&self, is_held: bool) {
        self.shared.is_held.store(is_held, Ordering::Relaxed);
    }

    /// What it was asked so far.
    pub fn prompts(&self) -> Vec<Prompt> {
        self.shared.prompts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Drop for Speaking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut answers = JoinSet::new();
    loop {
        while answers.try_join_next().is_some() {}
        if let Ok((socket, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            answers.spawn(async move {
                // A caller that went away wants nothing more.
                let _ = serve(socket, &shared).await;
            });
        }
    }
}

async fn serve(mut socket: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let body = request_of(&mut socket).await?;
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(messages) = request["messages"].as_array() else {
        return socket
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    };
    let prompt = Prompt { at: shared.clock.now(), markers: markers_of(&request["messages"].to_string()) };
    shared.prompts.lock().unwrap_or_else(PoisonError::into_inner).push(prompt);
    shared.speaking.fetch_add(1, Ordering::Relaxed);
    let _speaking = Speaking(&shared.speaking);
    let dice = shared.dice.of(shared.asked.fetch_add(1, Ordering::Relaxed));
    let asked_max = request["max_tokens"].as_u64().unwrap_or(u64::MAX);
    let tokens = dice.between(shared.pace.tokens.0, shared.pace.tokens.1).min(asked_max);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\
                connection: close\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    let mut said = 0;
    while said < tokens || (said < HELD_TOKENS_MAX && shared.is_held.load(Ordering::Relaxed)) {
        said += 1;
        tokio::select! {
            () = sleep(Duration::from_millis(shared.pace.token_ms)) => {}
            // After its request a caller sends nothing more but its end.
            _ = socket.read_u8() => return Ok(()),
        }
        let delta = json!({ "content": dice.pick(&WORDS) });
        send(&mut socket, &json!([{ "index": 0, "delta": delta, "finish_reason": null }]), None).await?;
    }
    send(&mut socket, &json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]), None).await?;
    let prompt = messages.len() * 50;
    let usage = json!({ "prompt_tokens": prompt, "completion_tokens": said,
        "prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": prompt });
    send(&mut socket, &json!([]), Some(&usage)).await?;
    chunk(&mut socket, "data: [DONE]\n\n").await?;
    socket.write_all(b"0\r\n\r\n").await?;
    socket.shutdown().await
}

async fn send(socket: &mut TcpStream, choices: &Value, usage: Option<&Value>) -> std::io::Result<()> {
    let mut event =
        json!({ "id": "1", "model": "chaos", "object": "chat.completion.chunk", "choices": choices });
    if let Some(usage) = usage {
        event["usage"] = usage.clone();
    }
    chunk(socket, &format!("data: {event}\n\n")).await
}

async fn chunk(socket: &mut TcpStream, text: &str) -> std::io::Result<()> {
    socket.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await
}

/// Reads a request; its body.
async fn request_of(socket: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        more(socket, &mut read).await?;
    };
    let mut body = read.split_off(head_end);
    let head = String::from_utf8_lossy(&read).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    while body.len() < length {
        more(socket, &mut body).await?;
    }
    Ok(body)
}

async fn more(socket: &mut TcpStream, into: &mut Vec<u8>) -> std::io::Result<()> {
    match socket.read_buf(into).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
