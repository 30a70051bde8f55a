//! A WebSocket client for tests: asks and is answered, keeps what is pushed, and sees how it ends.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Person, TestApp};

/// A connection.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    pushed: VecDeque<Value>,
    next_id: u32,
    code: Option<u16>,
    /// The answer to the upgrade.
    pub response: Response,
}

/// Nothing that a test waits for takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

impl TestApp {
    /// A connection of this person, who is known from the start.
    pub async fn socket(&self, person: &Person) -> Socket {
        let token = format!("Bearer {}", person.token);
        let mut socket = self.connect("/ws", &[("authorization", &token)]).await.expect("an upgrade");
        let welcome = socket.next().await.expect("a welcome");
        assert_eq!((&welcome["op"], &welcome["event"]), (&json!("auth"), &json!("result")), "{welcome}");
        assert_eq!(welcome["userId"], json!(person.id));
        socket
    }

    /// A connection with these headers; the status where there is no upgrade.
    pub async fn connect(&self, path: &str, headers: &[(&str, &str)]) -> Result<Socket, u16> {
        let host = self.base.strip_prefix("http://").expect("a base");
        let mut request = format!("ws://{host}{path}").into_client_request().expect("a request");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header's name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header's value"));
        }
        let stream = TcpStream::connect(host).await.expect("the server listens");
        Self::upgrade(request, stream).await
    }

    /// A connection of this person whose system takes in as little as it can before it is read.
    pub async fn narrow_socket(&self, person: &Person) -> Socket {
        let host = self.base.strip_prefix("http://").expect("a base");
        let url = format!("ws://{host}/ws?token={}", person.token);
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
        let stream = socket.connect(host.parse().expect("an address")).await.expect("the server listens");
        let request = url.into_client_request().expect("a request");
        let mut socket = Self::upgrade(request, stream).await.expect("an upgrade");
        assert_eq!(socket.next().await.expect("a welcome")["event"], "result");
        socket
    }

    async fn upgrade(request: Request, stream: TcpStream) -> Result<Socket, u16> {
        stream.set_nodelay(true).expect("a socket");
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((stream, response)) => {
                Ok(Socket { stream, pushed: VecDeque::new(), next_id: 0, code: None, response })
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no handshake: {error}"),
        }
    }
}

impl Socket {
    /// Sends a frame as it is.
    pub async fn write(&mut self, text: impl Into<String>) {
        self.stream.send(Message::text(text.into())).await.expect("an open connection");
    }

    /// Sends bytes that may break the protocol.
    pub async fn write_raw(&mut self, bytes: &[u8]) {
        use tokio::io::AsyncWriteExt;
        self.stream.get_mut().write_all(bytes).await.expect("an open connection");
    }

    /// Asks without waiting; the request's id.
    pub async fn begin(&mut self, op: &str, data: Value) -> String {
        self.next_id += 1;
        let id = format!("r-{}", self.next_id);
        self.write(json!({ "op": op, "reqId": id, "data": data }).to_string()).await;
        id
    }

    /// Tells something that is not answered.
    pub async fn tell(&mut self, op: &str, data: Value) {
        self.write(json!({ "op": op, "data": data }).to_string()).await;
    }

    /// Asks and waits for the answer; what is pushed meanwhile is kept.
    pub async fn ask(&mut self, op: &str, data: Value) -> Value {
        let id = self.begin(op, data).await;
        self.answer(&id).await
    }

    /// The answer to a request.
    pub async fn answer(&mut self, id: &str) -> Value {
        if let Some(at) = self.pushed.iter().position(|object| object["reqId"] == id) {
            return self.pushed.remove(at).expect("it is there");
        }
        let mut kept = std::mem::take(&mut self.pushed);
        loop {
            let object = self.read().await.unwrap_or_else(|| panic!("closed ({:?}) before {id}", self.code));
            if object["reqId"] == id {
                kept.append(&mut self.pushed);
                self.pushed = kept;
                return object;
            }
            kept.push_back(object);
        }
    }

    /// The next object, pushed or an answer; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<Value> {
        match self.pushed.pop_front() {
            Some(object) => Some(object),
            None => self.read().await,
        }
    }

    /// The next object of this op and event; others before it are dropped.
    pub async fn until(&mut self, op: &str, event: &str) -> Value {
        loop {
            let object = self.next().await;
            let object = object.unwrap_or_else(|| panic!("closed ({:?}) before {op} {event}", self.code));
            if object["op"] == op && object["event"] == event {
                return object;
            }
        }
    }

    /// The code that the server closes with, and what it said last.
    pub async fn closed(&mut self) -> (Option<u16>, Value) {
        let mut last = Value::Null;
        while let Some(object) = self.next().await {
            last = object;
        }
        (self.code, last)
    }

    /// Closes in order.
    pub async fn close(mut self) {
        self.stream.close(None).await.expect("a close");
        while self.read().await.is_some() {}
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            if self.code.is_some() {
                return None;
            }
            let message = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            match message.expect("the server says something in time")? {
                Ok(Message::Text(text)) => self.take(text.as_str()),
                Ok(Message::Close(frame)) => {
                    self.code = Some(frame.map_or(1_005, |frame| frame.code.into()));
                }
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_)) => {}
                Err(_) => return None,
            }
            if let Some(object) = self.pushed.pop_front() {
                return Some(object);
            }
        }
    }

    /// A frame is one answer, or one or several pushes.
    fn take(&mut self, text: &str) {
        let objects: Vec<Value> =
            text.split('\n').map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let answers = objects.iter().filter(|object| object["reqId"].is_string()).count();
        assert!(answers == 0 || objects.len() == 1, "an answer is alone in its frame: {text}");
        self.pushed.extend(objects);
    }
}
