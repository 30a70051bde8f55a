//! The way to Redis: a bounded pool for commands, each with one deadline over waiting, connecting and answering.
//!
//! Redis holds only what may be lost, so no caller may ever wait long for it. When it answers nothing at all,
//! the first command that notices spares the others the wait for a moment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat::event::Frame;
use deadpool_redis::{Manager, Pool, PoolError, Runtime};
use kernel::PortError;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult,
    ServerErrorKind,
};
use tokio::time::{Instant, timeout};

pub(crate) const SYSTEM: &str = "redis";
/// Every frame begins with the instance that published it.
pub const ORIGIN_BYTES: usize = 16;
const READY_DEADLINE: Duration = Duration::from_millis(500);

/// How Redis is used.
#[derive(Debug, Clone, Copy)]
pub struct RedisLimits {
    /// Connections at most, the one for subscriptions not counted.
    pub connections_max: usize,
    /// A command takes at most so long, waiting for a connection included.
    pub command_deadline: Duration,
    /// After a command met its deadline, others fail at once for so long.
    pub spared_after_stall: Duration,
}

impl Default for RedisLimits {
    fn default() -> Self {
        Self {
            connections_max: 32,
            command_deadline: Duration::from_millis(400),
            spared_after_stall: Duration::from_secs(1),
        }
    }
}

/// By which of Redis's channels the bus goes. News of ended sign-ins go by a plain one in any case: they are few, and
/// for every instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Channels {
    /// `PUBLISH`: heard on every node.
    #[default]
    Plain,
    /// `SPUBLISH`: only on the node that has the channel's slot. Redis 7 and later.
    Sharded,
}

impl Channels {
    /// The command that publishes on them.
    pub(crate) const fn publish(self) -> &'static str {
        match self {
            Self::Plain => "PUBLISH",
            Self::Sharded => "SPUBLISH",
        }
    }
}

/// A pool of connections to one Redis, and the prefix of all keys; clones share the pool.
#[derive(Clone)]
pub struct RedisConnection {
    client: Client,
    pool: Pool,
    prefix: Arc<str>,
    origin: [u8; ORIGIN_BYTES],
    channels: Channels,
    limits: RedisLimits,
    stalled_until: Arc<Mutex<Option<Instant>>>,
}

impl RedisConnection {
    /// Prepares the pool; connections are made when they are needed, so that an absent Redis is an error of
    /// the first command and not of the start.
    ///
    /// `url` is `redis://[user:password@]host[:port][/database]`; `prefix` stands before every key and channel, with
    /// a colon between.
    pub fn connect(url: &str, prefix: &str, limits: RedisLimits) -> Result<Self, PortError> {
        // Longer than our own deadline, which must be the one that notices a stall.
        let timeout = Some(limits.command_deadline * 2);
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(timeout).set_response_timeout(timeout);
        let client = Client::open(url).map_err(port_error)?;
        let manager = Manager::new_with_config(url, config).map_err(port_error)?;
        let pool = Pool::builder(manager)
            .max_size(limits.connections_max.max(1))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| PortError::rejected(SYSTEM, error))?;
        let prefix = format!("{}:", prefix.trim_end_matches(':')).into();
        let (origin, channels) = ([0; ORIGIN_BYTES], Channels::Plain);
        Ok(Self { client, pool, prefix, origin, channels, limits, stalled_until: Arc::default() })
    }

    /// The same pool, with the bus on these channels. All instances of one bus MUST use the same.
    #[must_use]
    pub fn on_channels(mut self, channels: Channels) -> Self {
        self.channels = channels;
        self
    }

    pub(crate) fn channels(&self) -> Channels {
        self.channels
    }

    /// Whether this Redis knows the channels that the bus is to go by.
    pub async fn has_channels(&self) -> Result<bool, PortError> {
        if self.channels == Channels::Plain {
            return Ok(true);
        }
        let mut command = redis::cmd("COMMAND");
        command.arg("INFO").arg("SPUBLISH").arg("SSUBSCRIBE");
        // What it does not know it answers with nil, or leaves out.
        let known: Vec<redis::Value> = self.query(&command).await?;
        Ok(known.iter().filter(|known| **known != redis::Value::Nil).count() == 2)
    }

    /// The same pool for an instance that hears what it publishes in its own process: its frames carry this origin,
    /// and those with this origin are not delivered to it again.
    #[must_use]
    pub fn speaking_as(mut self, origin: [u8; ORIGIN_BYTES]) -> Self {
        self.origin = origin;
        self
    }

    /// Whether Redis answers now; takes at most half a second.
    pub async fn is_ready(&self) -> bool {
        let ping = redis::cmd("PING");
        let answered = timeout(READY_DEADLINE, self.query_in_time::<String>(&ping)).await;
        matches!(answered, Ok(Ok(_)))
    }

    /// A key or channel: `prefix:name`.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Runs a command within the deadline.
    pub async fn query<T: FromRedisValue + Send>(&self, command: &Cmd) -> Result<T, PortError> {
        self.within_deadline(self.query_in_time(command)).await
    }

    /// Runs a script within the deadline.
    pub async fn invoke<T: FromRedisValue + Send>(
        &self,
        script: &redis::ScriptInvocation<'_>,
    ) -> Result<T, PortError> {
        self.within_deadline(async {
            let mut connection = self.pool.get().await.map_err(pool_error)?;
            script.invoke_async(&mut connection).await.map_err(port_error)
        })
        .await
    }

    /// Runs several commands in one round trip within the deadline.
    pub(crate) async fn run(&self, commands: &Pipeline) -> Result<(), PortError> {
        self.within_deadline(async {
            let mut connection = self.pool.get().await.map_err(pool_error)?;
            commands.query_async(&mut connection).await.map_err(port_error)
        })
        .await
    }

    /// The same, and what became of each.
    pub(crate) async fn run_each(&self, commands: &Pipeline) -> Result<Vec<RedisResult<i64>>, PortError> {
        self.within_deadline(async {
            let mut connection = self.pool.get().await.map_err(pool_error)?;
            commands.query_async(&mut connection).await.map_err(port_error)
        })
        .await
    }

    /// A frame as it travels: whose it is, then what it says.
    pub(crate) fn payload(&self, frame: &Frame) -> Vec<u8> {
        let body = frame.encode();
        let mut payload = Vec::with_capacity(ORIGIN_BYTES + body.len());
        payload.extend_from_slice(&self.origin);
        payload.extend_from_slice(&body);
        payload
    }

    /// The frame in a payload, unless it is this instance's own or one that this version does not know.
    pub(crate) fn frame_in(&self, payload: &[u8]) -> Option<Frame> {
        let (origin, body) = payload.split_first_chunk::<ORIGIN_BYTES>()?;
        let is_own = *origin == self.origin && self.origin != [0; ORIGIN_BYTES];
        if is_own { None } else { Frame::decode(body) }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn command_deadline(&self) -> Duration {
        self.limits.command_deadline
    }

    async fn query_in_time<T: FromRedisValue + Send>(&self, command: &Cmd) -> Result<T, PortError> {
        let mut connection = self.pool.get().await.map_err(pool_error)?;
        command.query_async(&mut connection).await.map_err(port_error)
    }

    async fn within_deadline<T>(
        &self,
        work: impl Future<Output = Result<T, PortError>> + Send,
    ) -> Result<T, PortError> {
        if self.is_stalled() {
            return Err(PortError::unavailable(SYSTEM, "spared: it did not answer a moment ago"));
        }
        match timeout(self.limits.command_deadline, work).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => {
                self.note_stall();
                Err(PortError::unavailable(SYSTEM, "no answer within the deadline"))
            }
        }
    }

    fn is_stalled(&self) -> bool {
        let until = self.stalled_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn note_stall(&self) {
        let until = Instant::now() + self.limits.spared_after_stall;
        *self.stalled_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

fn pool_error(error: PoolError) -> PortError {
    match error {
        PoolError::Backend(error) => port_error(error),
        PoolError::Timeout(_)
        | PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(_) => PortError::unavailable(SYSTEM, error),
    }
}

/// What a failure means to the caller of a port.
pub(crate) fn port_error(error: RedisError) -> PortError {
    if matches!(error.code(), Some("OOM" | "MISCONF")) {
        return PortError::full(SYSTEM, error);
    }
    match error.kind() {
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => PortError::corrupt(SYSTEM, error),
        ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig
        | ErrorKind::Server(
            ServerErrorKind::ResponseError
            | ServerErrorKind::ExecAbort
            | ServerErrorKind::CrossSlot
            | ServerErrorKind::NoPerm,
        ) => PortError::rejected(SYSTEM, error),
        _ => PortError::unavailable(SYSTEM, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_redis_that_is_not_there_is_unavailable_at_once() {
        // Port 1 of loopback: nothing listens there.
        let connection =
            RedisConnection::connect("redis://127.0.0.1:1/", "t", RedisLimits::default()).unwrap();
        let outcome = connection.query::<String>(&redis::cmd("PING")).await;
        assert!(matches!(outcome, Err(PortError::Unavailable { .. })));
        assert!(!connection.is_ready().await);
    }

    #[tokio::test]
    async fn a_redis_that_says_nothing_is_waited_for_once() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}/", silent.local_addr().unwrap());
        let limits = RedisLimits {
            command_deadline: Duration::from_millis(50),
            spared_after_stall: Duration::from_mins(10),
            ..RedisLimits::default()
        };
        let connection = RedisConnection::connect(&url, "t", limits).unwrap();
        let why = |outcome: Result<String, PortError>| match outcome {
            Err(PortError::Unavailable { cause, .. }) => cause.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(!why(connection.query(&redis::cmd("PING")).await).starts_with("spared"));
        assert!(why(connection.query(&redis::cmd("PING")).await).starts_with("spared"));
    }

    #[test]
    fn a_url_of_another_kind_is_refused() {
        let outcome = RedisConnection::connect("https://example.org/", "t", RedisLimits::default());
        assert!(matches!(outcome, Err(PortError::Rejected { .. })));
    }
}
