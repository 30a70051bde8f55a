//! A socket as the client sees it: opened by one of the ways that the protocol knows, read frame by frame.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// An open socket.
pub struct Wire {
    socket: WebSocketStream<TcpStream>,
}

/// One object of a frame, with the text that it was read from.
#[derive(Debug, Clone)]
pub struct Object {
    /// As JSON.
    pub value: Value,
    /// As it came.
    pub text: String,
}

/// How a client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introduction {
    /// `Authorization: Bearer …`
    Bearer,
    /// `Authorization: …`
    Bare,
    /// `?token=…`
    Query,
    /// The first frame.
    Frame,
}

impl Introduction {
    /// All ways.
    pub const ALL: [Self; 4] = [Self::Bearer, Self::Bare, Self::Query, Self::Frame];
}

const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

impl Wire {
    /// Opens a socket without saying who one is.
    pub async fn open(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, String> {
        let open = async {
            let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            let _ = stream.set_nodelay(true);
            Self::over(stream, address, path, headers).await
        };
        timeout(OPEN_TIMEOUT, open).await.map_err(|_late| "no answer to the upgrade".to_owned())?
    }

    /// The same over a connection that is there already.
    pub async fn over(
        stream: TcpStream,
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, String> {
        let url = format!("ws://{address}{path}");
        let mut request = url.into_client_request().map_err(|error| error.to_string())?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header's value"));
        }
        let config = WebSocketConfig::default().read_buffer_size(8 << 10).write_buffer_size(0);
        let upgraded = client_async_with_config(request, stream, Some(config)).await;
        upgraded.map(|(socket, _)| Self { socket }).map_err(|error| error.to_string())
    }

    /// Opens a socket and says who one is; returns when the server knows it.
    pub async fn introduce(
        address: SocketAddr,
        path: &str,
        token: &str,
        how: Introduction,
    ) -> Result<Self, String> {
        let bearer = format!("Bearer {token}");
        let mut wire = match how {
            Introduction::Bearer => Self::open(address, path, &[("authorization", &bearer)]).await?,
            Introduction::Bare => Self::open(address, path, &[("authorization", token)]).await?,
            Introduction::Query => Self::open(address, &format!("{path}?token={token}"), &[]).await?,
            Introduction::Frame => {
                let mut wire = Self::open(address, path, &[]).await?;
                let auth = json!({"op": "auth", "reqId": "auth", "data": {"token": token}});
                wire.send(&auth).await?;
                wire
            }
        };
        let known = async {
            loop {
                for object in wire.next().await? {
                    match (object.value["op"].as_str(), object.value["event"].as_str()) {
                        (Some("auth"), Some("result")) => return Ok(()),
                        (_, Some("error" | "bye")) => return Err(format!("refused: {}", object.text)),
                        _ => {}
                    }
                }
            }
        };
        timeout(OPEN_TIMEOUT, known).await.map_err(|_late| "no answer to auth".to_owned())??;
        Ok(wire)
    }

    /// Sends an object.
    pub async fn send(&mut self, value: &Value) -> Result<(), String> {
        self.send_text(&value.to_string()).await
    }

    /// Sends a frame of text.
    pub async fn send_text(&mut self, text: &str) -> Result<(), String> {
        self.send_message(Message::text(text)).await
    }

    /// Sends any frame.
    pub async fn send_message(&mut self, message: Message) -> Result<(), String> {
        let sent = timeout(WRITE_TIMEOUT, self.socket.send(message)).await;
        sent.map_err(|_late| "a write was stalled".to_owned())?.map_err(|error| error.to_string())
    }

    /// The objects of the next frame; at the end, why there is none. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Result<Vec<Object>, String> {
        loop {
            let message = self.socket.next().await.unwrap_or(Ok(Message::Close(None)));
            match message.map_err(|error| error.to_string())? {
                Message::Text(text) => return text.lines().map(object).collect(),
                Message::Close(Some(close)) => return Err(format!("closed {}", u16::from(close.code))),
                Message::Close(None) => return Err("closed".to_owned()),
                Message::Binary(_) => return Err("a binary frame".to_owned()),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Says goodbye in order.
    pub async fn close(mut self) {
        let _ = timeout(WRITE_TIMEOUT, self.socket.close(None)).await;
    }
}

fn object(line: &str) -> Result<Object, String> {
    let value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}: {line}"))?;
    Ok(Object { value, text: line.to_owned() })
}
