//! A Redis from before the sharded channels: it answers every command, and knows nothing of these.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server that lives as long as this.
pub struct OldRedis {
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl OldRedis {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        #[expect(clippy::disallowed_methods, reason = "the fake's own server, which ends with it")]
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move { serve(stream).await.unwrap_or_default() });
            }
        });
        Self { addr, serving }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.addr)
    }
}

impl Drop for OldRedis {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let command = command(&mut stream).await?;
        let answer = match command.first().map(|name| name.to_ascii_uppercase()).as_deref() {
            None => return Ok(()),
            Some("COMMAND") => format!("*{}\r\n{}", command.len() - 2, "*-1\r\n".repeat(command.len() - 2)),
            Some("PING") => "+PONG\r\n".to_owned(),
            Some("SPUBLISH" | "SSUBSCRIBE") => "-ERR unknown command\r\n".to_owned(),
            Some(_) => "+OK\r\n".to_owned(),
        };
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}

/// An array of bulk strings; empty at the end.
async fn command(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(stream).await? {
        let mut word = vec![0; number(stream).await? + 2];
        stream.read_exact(&mut word).await?;
        words.push(String::from_utf8_lossy(&word).trim_end().to_owned());
    }
    Ok(words)
}

async fn number(stream: &mut BufReader<TcpStream>) -> std::io::Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    Ok(line.trim_end().trim_start_matches(['*', '$']).parse().unwrap_or_default())
}
