//! An OpenAI-compatible model endpoint on loopback, which does what a test scripts and answers usefully when
//! nothing is scripted.
//!
//! It speaks HTTP over plain TCP, since half of what a client must endure is HTTP that no framework would write.

mod answering;
mod script;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use script::Step;
pub use script::{Gate, Script};

const HEAD_BYTES_MAX: usize = 64 << 10;
static FLOOD_PIECE: [u8; 64 << 10] = [b'a'; 64 << 10];

/// The endpoint; it stops listening when it is dropped.
pub struct FakeOpenAi {
    address: SocketAddr,
    state: Arc<State>,
    listener: AbortHandle,
}

/// A request for a completion, as it came in.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Path with query.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The JSON body.
    pub body: Value,
}

#[derive(Default)]
struct State {
    scripts: Mutex<VecDeque<Script>>,
    requests: Mutex<Vec<Recorded>>,
    /// Clients that closed the connection before the script was played to its end.
    hung_up: watch::Sender<usize>,
    pace_ms: u64,
}

/// The client went away.
struct HungUp;

impl FakeOpenAi {
    /// Listens on a free port of loopback; what is not scripted is answered at once.
    pub async fn start() -> Self {
        Self::listen(0, 0).await.expect("a free port on loopback")
    }

    /// Listens on a port of loopback; what is not scripted is answered at `pace_ms` milliseconds a token.
    pub async fn listen(port: u16, pace_ms: u64) -> std::io::Result<Self> {
        let socket = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = socket.local_addr()?;
        let state = Arc::new(State { pace_ms, ..State::default() });
        #[expect(clippy::disallowed_methods, reason = "the fake's own task, which ends with it")]
        let listener = tokio::spawn(accept(socket, Arc::clone(&state))).abort_handle();
        Ok(Self { address, state, listener })
    }

    /// The base URL with its version path.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Plays this to the next request that has no script yet.
    pub fn script(&self, script: Script) {
        lock(&self.state.scripts).push_back(script);
    }

    /// The requests for completions so far.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.state.requests).clone()
    }

    /// Waits until so many clients have gone before their answer was whole.
    pub async fn hung_up(&self, count: usize) {
        let mut hung_up = self.state.hung_up.subscribe();
        // The sender lives as long as `self`.
        let _ = hung_up.wait_for(|gone| *gone >= count).await;
    }
}

impl Drop for FakeOpenAi {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if let Ok((socket, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            connections.spawn(async move {
                if serve(socket, &state).await.is_err() {
                    state.hung_up.send_modify(|count| *count += 1);
                }
            });
        }
    }
}

/// One request on one connection.
async fn serve(mut socket: TcpStream, state: &State) -> Result<(), HungUp> {
    let (head, body) = read_request(&mut socket).await?;
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method != "POST" || !path.ends_with("/chat/completions") {
        let known = path.ends_with("/models");
        return play(&mut socket, answering::other(method, known)).await;
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let script = lock(&state.scripts).pop_front();
    let script = script.unwrap_or_else(|| answering::answer(&body, state.pace_ms));
    let authorization = header(&head, "authorization").map(str::to_owned);
    lock(&state.requests).push(Recorded { path: path.to_owned(), authorization, body });
    play(&mut socket, script).await
}

async fn read_request(socket: &mut TcpStream) -> Result<(String, Vec<u8>), HungUp> {
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if read.len() > HEAD_BYTES_MAX {
            return Err(HungUp);
        }
        read_some(socket, &mut read).await?;
    };
    let mut body = read.split_off(head_end);
    let head = String::from_utf8_lossy(&read).into_owned();
    let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while body.len() < length {
        read_some(socket, &mut body).await?;
    }
    Ok((head, body))
}

async fn read_some(socket: &mut TcpStream, into: &mut Vec<u8>) -> Result<(), HungUp> {
    match socket.read_buf(into).await {
        Ok(0) | Err(_) => Err(HungUp),
        Ok(_) => Ok(()),
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Plays a script until its end, or until the client has gone.
async fn play(socket: &mut TcpStream, script: Script) -> Result<(), HungUp> {
    for step in script.steps {
        match step {
            Step::Plain(bytes) => write(socket, &bytes).await?,
            Step::Chunk(bytes) => write(socket, &as_chunk(&bytes)).await?,
            Step::Flood(pieces) => {
                for _ in 0..pieces {
                    write(socket, &as_chunk(&FLOOD_PIECE)).await?;
                }
            }
            Step::Pause(millis) => unless_gone(socket, sleep(Duration::from_millis(millis))).await?,
            Step::Wait(gate) => unless_gone(socket, gate.pass()).await?,
        }
    }
    // An orderly farewell; a client that is gone by now has all that the script had for it.
    let _ = socket.shutdown().await;
    Ok(())
}

fn as_chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

async fn write(socket: &mut TcpStream, bytes: &[u8]) -> Result<(), HungUp> {
    socket.write_all(bytes).await.map_err(|_gone| HungUp)
}

/// Waits, and notices when the client closes the connection meanwhile.
async fn unless_gone(socket: &mut TcpStream, wait: impl Future<Output = ()>) -> Result<(), HungUp> {
    let mut byte = [0_u8; 1];
    tokio::select! {
        () = wait => Ok(()),
        // A client sends nothing more after its request, so whatever comes is its end.
        _ = socket.read(&mut byte) => Err(HungUp),
    }
}
