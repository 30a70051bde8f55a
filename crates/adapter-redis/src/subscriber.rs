//! The subscribing connection, by either kind of Redis's channels.
//!
//! Plain channels are heard on every node; sharded ones (Redis 7) only on the node that has the channel's slot. The
//! driver has a subscriber for the plain ones alone, so the sharded ones go over a connection that speaks RESP3.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::{AsyncConnectionConfig, Msg, ProtocolVersion, PushInfo, PushKind, RedisError};
use tokio::sync::mpsc;

use crate::connection::{Channels, RedisConnection};

/// What comes in on the channels; ends with the connection.
pub(crate) type Messages = BoxStream<'static, Msg>;

/// Subscribes and unsubscribes; clones are one.
#[derive(Clone)]
pub(crate) enum Sink {
    Plain(PubSubSink),
    Sharded(ShardedSink),
}

#[derive(Clone)]
pub(crate) struct ShardedSink {
    connection: MultiplexedConnection,
    /// Channels that nobody watches any more, as far as is known.
    left: Arc<Mutex<BTreeSet<String>>>,
    /// One command at a time, so that no channel is left after somebody has begun to watch it again.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Connects. Takes no longer than the caller waits.
pub(crate) async fn connect(connection: &RedisConnection) -> Result<(Sink, Messages), RedisError> {
    match connection.channels() {
        Channels::Plain => {
            let (sink, messages) = connection.client().get_async_pubsub().await?.split();
            Ok((Sink::Plain(sink), messages.boxed()))
        }
        Channels::Sharded => sharded(connection).await,
    }
}

async fn sharded(connection: &RedisConnection) -> Result<(Sink, Messages), RedisError> {
    let info = connection.client().get_connection_info().clone();
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = redis::Client::open(info.set_redis_settings(settings))?;
    let (sender, pushes) = mpsc::unbounded_channel();
    let deadline = Some(connection.command_deadline() * 2);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(deadline)
        .set_response_timeout(deadline)
        .set_push_sender(sender);
    let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let sink = ShardedSink { connection, left: Arc::default(), turn: Arc::default() };
    Ok((Sink::Sharded(sink), messages(pushes)))
}

fn messages(pushes: mpsc::UnboundedReceiver<PushInfo>) -> Messages {
    stream::unfold(pushes, |mut pushes| async move {
        loop {
            let push = pushes.recv().await?;
            if push.kind == PushKind::Disconnection {
                return None;
            }
            // Confirmations come here too; whoever subscribes has its own.
            if let Some(message) = Msg::from_push_info(push) {
                return Some((message, pushes));
            }
        }
    })
    .boxed()
}

impl Sink {
    /// Returns when Redis has confirmed all of these: what is published after that arrives.
    pub(crate) async fn subscribe(&mut self, channels: &[String]) -> Result<(), RedisError> {
        match self {
            Self::Plain(sink) => sink.subscribe(channels).await,
            Self::Sharded(sink) => {
                let _turn = sink.turn.lock().await;
                run(&mut sink.connection, "SSUBSCRIBE", channels).await
            }
        }
    }

    /// Lets go of a channel that nobody watches any more, without waiting.
    pub(crate) fn leave(&self, channel: &str) {
        match self {
            Self::Plain(sink) => {
                // Polled once, the command stands in the connection's queue, in order with a later subscription of
                // the same channel; nobody needs its answer.
                let _ = sink.clone().unsubscribe(channel).now_or_never();
            }
            // A command whose caller has gone is not sent there: it is kept for [`Sink::forget_left`].
            Self::Sharded(sink) => {
                sink.left().insert(channel.to_owned());
            }
        }
    }

    /// Whether channels are left that Redis was not told of.
    pub(crate) fn has_left(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Sharded(sink) => !sink.left().is_empty(),
        }
    }

    /// Tells Redis of the channels that are left and that nobody watches again.
    pub(crate) async fn forget_left(self, is_watched: impl Fn(&str) -> bool + Send) {
        let Self::Sharded(mut sink) = self else { return };
        let _turn = sink.turn.lock().await;
        let left = std::mem::take(&mut *sink.left());
        let unwatched: Vec<String> = left.into_iter().filter(|channel| !is_watched(channel)).collect();
        if let Err(error) = run(&mut sink.connection, "SUNSUBSCRIBE", &unwatched).await {
            tracing::debug!(error = %error, "channels that nobody watches were not left; their frames are dropped");
        }
    }

    /// Whether the connection answers.
    pub(crate) async fn ping(self) -> bool {
        match self {
            Self::Plain(mut sink) => sink.ping::<redis::Value>().await.is_ok(),
            Self::Sharded(mut sink) => {
                redis::cmd("PING").query_async::<redis::Value>(&mut sink.connection).await.is_ok()
            }
        }
    }
}

impl ShardedSink {
    fn left(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One command for each channel, since each is answered once, in one round trip.
async fn run(
    connection: &mut MultiplexedConnection,
    command: &str,
    channels: &[String],
) -> Result<(), RedisError> {
    if channels.is_empty() {
        return Ok(());
    }
    let mut commands = redis::pipe();
    for channel in channels {
        commands.cmd(command).arg(channel).ignore();
    }
    commands.query_async(connection).await
}
