//! News of ended sessions between instances: one pub/sub channel, one connection for each listener.
//!
//! A listener's stream ends when its connection breaks or stops answering; whoever listens subscribes again and
//! then trusts nothing that it remembered.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use auth::SessionId;
use auth::ports::{RevocationFeed, RevocationSignal};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use kernel::PortError;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::connection::{RedisConnection, SYSTEM, port_error};

/// The connection is asked so often whether it lives, and has so long to answer.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Connecting and subscribing take at most so long.
const SUBSCRIBE_DEADLINE: Duration = Duration::from_secs(2);
/// Sessions in one message.
const SESSIONS_PER_MESSAGE: usize = 500;

/// The feed on the channel `revoked` under the connection's prefix.
#[derive(Clone)]
pub struct RedisRevocationFeed {
    connection: RedisConnection,
}

impl RedisRevocationFeed {
    /// A feed over this Redis.
    pub fn new(connection: &RedisConnection) -> Self {
        Self { connection: connection.clone() }
    }

    fn channel(&self) -> String {
        self.connection.key("revoked")
    }
}

#[async_trait]
impl RevocationFeed for RedisRevocationFeed {
    async fn announce(&self, sessions: &[SessionId]) -> Result<(), PortError> {
        for part in sessions.chunks(SESSIONS_PER_MESSAGE) {
            let text = part.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let mut command = redis::cmd("PUBLISH");
            command.arg(self.channel()).arg(text);
            self.connection.query::<i64>(&command).await?;
        }
        Ok(())
    }

    async fn subscribe(&self) -> Result<BoxStream<'static, RevocationSignal>, PortError> {
        let subscribed = timeout(SUBSCRIBE_DEADLINE, async {
            let (mut sink, messages) = self.connection.client().get_async_pubsub().await?.split();
            sink.subscribe(self.channel()).await?;
            Ok((sink, messages))
        })
        .await;
        let (sink, messages) = match subscribed {
            Ok(outcome) => outcome.map_err(port_error)?,
            Err(elapsed) => return Err(PortError::unavailable(SYSTEM, elapsed)),
        };
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let listener = Listener { sink, messages, pings, pong: None, waiting: VecDeque::new() };
        Ok(Box::pin(stream::unfold(listener, |mut listener| async move {
            let signal = listener.next().await?;
            Some((signal, listener))
        })))
    }
}

struct Listener {
    sink: PubSubSink,
    messages: PubSubStream,
    pings: Interval,
    pong: Option<BoxFuture<'static, bool>>,
    /// Signals of a message that named several sessions.
    waiting: VecDeque<RevocationSignal>,
}

impl Listener {
    /// The next signal; `None` when the connection is gone.
    async fn next(&mut self) -> Option<RevocationSignal> {
        loop {
            if let Some(signal) = self.waiting.pop_front() {
                return Some(signal);
            }
            tokio::select! {
                message = self.messages.next() => {
                    let message = message?;
                    self.waiting = signals(message.get_payload_bytes());
                }
                _ = self.pings.tick() => {
                    if !self.still_answers() {
                        return None;
                    }
                }
            }
        }
    }

    /// Looks for the answer to the last ping and sends the next. An answer is looked for a whole tick later, so
    /// that no message waits for it.
    fn still_answers(&mut self) -> bool {
        let answered = self.pong.take().is_none_or(|pong| pong.now_or_never() == Some(true));
        if !answered {
            return false;
        }
        let mut asked = ping(self.sink.clone()).boxed();
        if let Some(alive) = asked.as_mut().now_or_never() {
            return alive;
        }
        self.pong = Some(asked);
        true
    }
}

async fn ping(mut sink: PubSubSink) -> bool {
    sink.ping::<redis::Value>().await.is_ok()
}

/// What a message says; one that cannot be read may have named any session.
fn signals(payload: &[u8]) -> VecDeque<RevocationSignal> {
    let text = std::str::from_utf8(payload).unwrap_or_default();
    let read = |id: &str| id.parse::<SessionId>().map_or(RevocationSignal::Missed, RevocationSignal::Ended);
    text.split(',').map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_cannot_be_read_may_have_named_any_session() {
        let id = "0192e8a0-0000-7000-8000-000000000001";
        let ended = RevocationSignal::Ended(id.parse().unwrap());
        assert_eq!(signals(format!("{id},{id}").as_bytes()), [ended, ended]);
        assert_eq!(signals(b"?"), [RevocationSignal::Missed]);
        assert_eq!(signals(&[0xFF]), [RevocationSignal::Missed]);
    }
}
