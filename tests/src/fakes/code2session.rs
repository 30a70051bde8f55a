//! WeChat's `code2session` on loopback: any code is a person of its own, but `bad…`, which WeChat does not know.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

const HEAD_BYTES_MAX: usize = 16 << 10;

/// The endpoint; it stops listening when it is dropped.
pub struct FakeCode2Session {
    address: SocketAddr,
    listener: AbortHandle,
}

impl FakeCode2Session {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = socket.local_addr().expect("an address");
        #[expect(clippy::disallowed_methods, reason = "the fake's own task, which ends with it")]
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = socket.accept().await {
                serve(client).await;
            }
        })
        .abort_handle();
        Self { address, listener }
    }

    /// Without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for FakeCode2Session {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(mut client: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let code = head.split(['?', '&', ' ']).find_map(|part| part.strip_prefix("js_code=")).unwrap_or_default();
    let body = if code.starts_with("bad") {
        json!({ "errcode": 40029, "errmsg": "invalid code" })
    } else {
        json!({ "openid": format!("o-{code}"), "session_key": "c2Vzc2lvbi1rZXktMTYtYg==" })
    };
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // A client that went away needs no answer.
    let _ = client.write_all(answer.as_bytes()).await;
}
