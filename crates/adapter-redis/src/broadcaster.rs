//! The bus of many instances: Redis pub/sub, plain or sharded, over one connection of its own.
//!
//! Each conversation that somebody here watches is one subscription, fanned out in process to its watchers
//! through a bounded ring. When the connection breaks, it is made again, everything is subscribed again, and
//! every watcher is told that it may have missed something.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::event::Frame;
use chat::ports::{Broadcaster, BusSignal};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use kernel::PortError;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::connection::{RedisConnection, SYSTEM, port_error};
use crate::subscriber::{self, Messages, Sink};

/// The connection is asked so often whether it lives, and has twice as long to answer: a dead one is noticed within
/// a second.
const PING_EVERY: Duration = Duration::from_millis(300);
/// While there is no connection, watchers are told this often that they may miss something.
const MISSED_EVERY: Duration = Duration::from_secs(1);
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(50);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);
/// Connecting and subscribing again takes at most so long.
const RECONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// Channels in one command when everything is subscribed again.
const CHANNELS_PER_COMMAND: usize = 500;

/// The bus; clones share its one subscribing connection, which ends with the last of them.
#[derive(Clone)]
pub struct RedisBroadcaster {
    connection: RedisConnection,
    watches: Watches,
    frames_max: usize,
    _supervisor: Arc<Supervisor>,
}

impl RedisBroadcaster {
    /// Starts the subscribing connection's supervisor on the current tokio runtime. At most `frames_max` frames
    /// are held for the slowest watcher of a conversation.
    pub fn start(connection: &RedisConnection, frames_max: usize) -> Self {
        let watches = Watches::new();
        #[expect(
            clippy::disallowed_methods,
            reason = "this task is the adapter's own supervisor, and ends with it"
        )]
        let task = tokio::spawn(supervise(connection.clone(), watches.clone()));
        let supervisor = Supervisor { task: task.abort_handle(), watches: watches.clone() };
        Self {
            connection: connection.clone(),
            watches,
            frames_max: frames_max.max(1),
            _supervisor: Arc::new(supervisor),
        }
    }

    /// Conversations that somebody watches through this instance; 0 when all watchers have gone.
    pub fn watched_count(&self) -> usize {
        self.watches.rings().len()
    }
}

/// The channel that carries a conversation's frames.
pub(crate) fn channel(connection: &RedisConnection, conversation: &ConversationId) -> String {
    connection.key(&format!("bus:{conversation}"))
}

#[async_trait]
impl Broadcaster for RedisBroadcaster {
    async fn publish(&self, conversation: &ConversationId, frame: Arc<Frame>) -> Result<(), PortError> {
        let channel = channel(&self.connection, conversation);
        let mut command = redis::cmd(self.connection.channels().publish());
        command.arg(&channel).arg(self.connection.payload(&frame));
        let published = self.connection.query::<i64>(&command).await;
        if published.is_err() {
            // Those who watch here can read the log, though Redis told them nothing.
            self.watches.signal(&channel, BusSignal::Missed);
        }
        published.map(|_receivers| ())
    }

    async fn publish_all(&self, frames: &[(ConversationId, Arc<Frame>)]) -> Result<(), PortError> {
        let mut commands = redis::pipe();
        for (conversation, frame) in frames {
            let channel = channel(&self.connection, conversation);
            commands
                .cmd(self.connection.channels().publish())
                .arg(channel)
                .arg(self.connection.payload(frame))
                .ignore();
        }
        let published = self.connection.run(&commands).await;
        if published.is_err() {
            for (conversation, _) in frames {
                self.watches.signal(&channel(&self.connection, conversation), BusSignal::Missed);
            }
        }
        published
    }

    async fn subscribe(
        &self,
        conversation: &ConversationId,
    ) -> Result<BoxStream<'static, BusSignal>, PortError> {
        let channel = channel(&self.connection, conversation);
        let watch = self.watches.watch(channel, self.frames_max);
        match timeout(self.connection.command_deadline(), watch.confirm()).await {
            Ok(confirmed) => confirmed?,
            Err(elapsed) => return Err(PortError::unavailable(SYSTEM, elapsed)),
        }
        Ok(Box::pin(stream::unfold(watch, |mut watch| async move {
            let signal = watch.next().await?;
            Some((signal, watch))
        })))
    }
}

/// What is watched here, by channel, and the connection that carries it.
#[derive(Clone)]
struct Watches {
    rings: Arc<Mutex<HashMap<String, Ring>>>,
    link: Arc<watch::Sender<Link>>,
}

struct Ring {
    sender: broadcast::Sender<BusSignal>,
    /// The link on which Redis confirmed the subscription to one of the watchers.
    confirmed_on: Option<u64>,
}

/// The subscribing connection as it stands.
#[derive(Clone)]
enum Link {
    /// The first attempt is under way.
    Starting,
    Up {
        number: u64,
        sink: Sink,
    },
    Down,
}

impl Watches {
    fn new() -> Self {
        Self { rings: Arc::default(), link: Arc::new(watch::Sender::new(Link::Starting)) }
    }

    fn rings(&self) -> MutexGuard<'_, HashMap<String, Ring>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, channel: String, frames_max: usize) -> Watch {
        let receiver = self
            .rings()
            .entry(channel.clone())
            .or_insert_with(|| Ring { sender: broadcast::Sender::new(frames_max), confirmed_on: None })
            .sender
            .subscribe();
        Watch { watches: self.clone(), channel, receiver: Some(receiver) }
    }

    fn signal(&self, channel: &str, signal: BusSignal) {
        if let Some(ring) = self.rings().get(channel) {
            // A ring without a receiver is about to be removed: nobody misses the signal.
            let _ = ring.sender.send(signal);
        }
    }

    fn channels(&self) -> Vec<String> {
        self.rings().keys().cloned().collect()
    }

    fn is_watched(&self, channel: &str) -> bool {
        self.rings().contains_key(channel)
    }

    /// Those who watch already: what is published while there is no link never reaches them.
    fn established(&self) -> Vec<broadcast::Sender<BusSignal>> {
        let rings = self.rings();
        rings.values().filter(|ring| ring.confirmed_on.is_some()).map(|ring| ring.sender.clone()).collect()
    }
}

/// One watcher; the last one of a channel ends its subscription.
struct Watch {
    watches: Watches,
    channel: String,
    receiver: Option<broadcast::Receiver<BusSignal>>,
}

impl Watch {
    /// Waits until Redis has confirmed the subscription: what is published after that arrives.
    async fn confirm(&self) -> Result<(), PortError> {
        let (number, mut sink) = self.present_link().await?;
        let confirmed_on = self.watches.rings().get(&self.channel).and_then(|ring| ring.confirmed_on);
        if confirmed_on == Some(number) {
            return Ok(());
        }
        sink.subscribe(std::slice::from_ref(&self.channel)).await.map_err(port_error)?;
        if let Some(ring) = self.watches.rings().get_mut(&self.channel) {
            ring.confirmed_on = Some(number);
        }
        Ok(())
    }

    async fn present_link(&self) -> Result<(u64, Sink), PortError> {
        let mut links = self.watches.link.subscribe();
        let link = links.wait_for(|link| !matches!(link, Link::Starting)).await;
        match link.as_deref() {
            Ok(Link::Up { number, sink }) => Ok((*number, sink.clone())),
            Ok(Link::Starting | Link::Down) | Err(_) => {
                Err(PortError::unavailable(SYSTEM, "the subscribing connection is down"))
            }
        }
    }

    async fn next(&mut self) -> Option<BusSignal> {
        match self.receiver.as_mut()?.recv().await {
            Ok(signal) => Some(signal),
            Err(RecvError::Lagged(_)) => Some(BusSignal::Missed),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut rings = self.watches.rings();
        // The receiver goes while the map is locked: of two watchers that go at once, one is the last.
        drop(self.receiver.take());
        if rings.get(&self.channel).is_none_or(|ring| ring.sender.receiver_count() > 0) {
            return;
        }
        rings.remove(&self.channel);
        if let Link::Up { sink, .. } = &*self.watches.link.borrow() {
            sink.leave(&self.channel);
        }
    }
}

/// Ends the task, and the watchers' streams, with the last handle on the bus.
struct Supervisor {
    task: AbortHandle,
    watches: Watches,
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
        self.watches.link.send_replace(Link::Down);
        self.watches.rings().clear();
    }
}

/// Keeps the subscribing connection alive for as long as the bus lives.
async fn supervise(connection: RedisConnection, watches: Watches) {
    futures::join!(keep_linked(connection, &watches), tell_of_outages(&watches));
}

/// What is published while there is no connection is missed by all who watch.
async fn tell_of_outages(watches: &Watches) {
    let mut ticks = interval(MISSED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if matches!(&*watches.link.borrow(), Link::Down) {
            tell_missed(&watches.established());
        }
    }
}

fn tell_missed(watchers: &[broadcast::Sender<BusSignal>]) {
    for watchers in watchers {
        // Whoever has gone meanwhile misses nothing.
        let _ = watchers.send(BusSignal::Missed);
    }
}

async fn keep_linked(connection: RedisConnection, watches: &Watches) {
    let mut delay = RECONNECT_DELAY_MIN;
    for number in 0.. {
        match timeout(RECONNECT_DEADLINE, link(&connection, watches, number)).await {
            Ok(Ok((sink, messages))) => {
                delay = RECONNECT_DELAY_MIN;
                carry(&connection, &sink, messages, watches).await;
                tracing::warn!("the bus lost its connection to redis");
            }
            Ok(Err(error)) => tracing::warn!(error = %error, "the bus cannot reach redis"),
            Err(_elapsed) => tracing::warn!("the bus cannot reach redis in time"),
        }
        watches.link.send_replace(Link::Down);
        tell_missed(&watches.established());
        sleep(delay).await;
        delay = (delay * 2).min(RECONNECT_DELAY_MAX);
    }
}

/// Connects, and subscribes to everything that is watched.
async fn link(
    connection: &RedisConnection,
    watches: &Watches,
    number: u64,
) -> Result<(Sink, Messages), redis::RedisError> {
    let (mut sink, messages) = subscriber::connect(connection).await?;
    let established = watches.established();
    // Whoever begins to watch from here on subscribes over this link itself.
    watches.link.send_replace(Link::Up { number, sink: sink.clone() });
    for channels in watches.channels().chunks(CHANNELS_PER_COMMAND) {
        sink.subscribe(channels).await?;
    }
    tell_missed(&established);
    Ok((sink, messages))
}

/// Fans messages out until the connection ends or stops answering.
async fn carry(connection: &RedisConnection, sink: &Sink, mut messages: Messages, watches: &Watches) {
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pong: Option<BoxFuture<'static, bool>> = None;
    let mut leaving: Option<BoxFuture<'static, ()>> = None;
    let mut is_late = false;
    loop {
        tokio::select! {
            () = async { if let Some(leaving) = &mut leaving { leaving.await } }, if leaving.is_some() => {
                leaving = None;
            }
            message = messages.next() => {
                let Some(message) = message else { return };
                if let Some(frame) = connection.frame_in(message.get_payload_bytes()) {
                    watches.signal(message.get_channel_name(), BusSignal::Frame(Arc::new(frame)));
                }
            }
            _ = pings.tick() => {
                if leaving.is_none() && sink.has_left() {
                    let watches = watches.clone();
                    leaving = Some(sink.clone().forget_left(move |channel| watches.is_watched(channel)).boxed());
                }
                // The answer is looked for a whole tick later, so that no message waits for it.
                match pong.as_mut().map(FutureExt::now_or_never) {
                    None | Some(Some(true)) => {}
                    Some(None) if !is_late => {
                        is_late = true;
                        continue;
                    }
                    Some(None | Some(false)) => return,
                }
                is_late = false;
                pong = None;
                let mut asked = sink.clone().ping().boxed();
                match asked.as_mut().now_or_never() {
                    Some(true) => {}
                    Some(false) => return,
                    None => pong = Some(asked),
                }
            }
        }
    }
}
