//! The growing text of running replies in Redis, where every instance can read it.
//!
//! Three keys a reply, with one hash tag: `gen` (the generation that owns it, or `closed`), `text`, and `stop`.
//! Each step is one script, so that check, append, publish and renewal are one moment in the order of all
//! instances.

use async_trait::async_trait;
use chat::ports::{Flush, FlushOutcome, Snapshot, StreamBuffer};
use kernel::{MessageId, PortError};
use redis::Script;

use crate::broadcaster::channel;
use crate::connection::{RedisConnection, SYSTEM};
use crate::flush_lane::FlushLane;

/// A text lives so long after its last flush, and a stop so long after it was asked for, in milliseconds.
const TEXT_LIFE_MS: u64 = 600_000;
/// A closed reply refuses late flushes so long, in milliseconds.
const FENCE_LIFE_MS: u64 = 300_000;

const FENCED: i64 = 0;
const DIVERGED: i64 = 1;
const ACCEPTED: i64 = 2;
const ACCEPTED_AND_STOP: i64 = 3;

/// KEYS gen, text, stop; ARGV generation, text, life.
const OPEN: &str = r"
local held = redis.call('GET', KEYS[1])
if held == 'closed' then return 0 end
if held and tonumber(held) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 2 + redis.call('EXISTS', KEYS[3])
";

/// KEYS gen, text, stop; ARGV generation, length before, text, life, channel, frame, command that publishes.
const FLUSH: &str = r"
local held = redis.call('GET', KEYS[1])
if not held then return 1 end
if held == 'closed' then return 0 end
if tonumber(held) > tonumber(ARGV[1]) then return 0 end
if tonumber(held) < tonumber(ARGV[1]) then return 1 end
if redis.call('STRLEN', KEYS[2]) ~= tonumber(ARGV[2]) then return 1 end
if #ARGV[3] > 0 then redis.call('APPEND', KEYS[2], ARGV[3]) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if #ARGV[6] > 0 then redis.call(ARGV[7], ARGV[5], ARGV[6]) end
return 2 + redis.call('EXISTS', KEYS[3])
";

/// KEYS gen, text, stop; ARGV life of the fence.
const CLOSE: &str = r"
redis.call('SET', KEYS[1], 'closed', 'PX', ARGV[1])
redis.call('DEL', KEYS[2], KEYS[3])
return 0
";

/// The texts in Redis; publishes on the channels of the bus with the same prefix.
#[derive(Clone)]
pub struct RedisStreamBuffer {
    connection: RedisConnection,
    scripts: std::sync::Arc<Scripts>,
    flushes: FlushLane,
}

struct Scripts {
    open: Script,
    flush: Script,
    close: Script,
}

struct Keys {
    generation: String,
    text: String,
    stop: String,
}

impl RedisStreamBuffer {
    /// A buffer that publishes on the bus of the same connection's prefix. To be made in a tokio runtime.
    pub fn new(connection: &RedisConnection) -> Self {
        let scripts =
            Scripts { open: Script::new(OPEN), flush: Script::new(FLUSH), close: Script::new(CLOSE) };
        let flushes = FlushLane::start(connection.clone(), FLUSH);
        Self { connection: connection.clone(), scripts: scripts.into(), flushes }
    }

    fn keys(&self, message_id: MessageId) -> Keys {
        let key = |part: &str| self.connection.key(&format!("reply:{{{message_id}}}:{part}"));
        Keys { generation: key("gen"), text: key("text"), stop: key("stop") }
    }
}

#[async_trait]
impl StreamBuffer for RedisStreamBuffer {
    async fn open(
        &self,
        message_id: MessageId,
        generation: u32,
        text: &str,
    ) -> Result<FlushOutcome, PortError> {
        let keys = self.keys(message_id);
        let mut script = self.scripts.open.prepare_invoke();
        script.key(keys.generation).key(keys.text).key(keys.stop);
        script.arg(generation).arg(text).arg(TEXT_LIFE_MS);
        self.connection.invoke(&script).await.and_then(outcome)
    }

    async fn flush(&self, flush: &Flush) -> Result<FlushOutcome, PortError> {
        let keys = self.keys(flush.message_id);
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.scripts.flush.get_hash()).arg(3).arg(keys.generation).arg(keys.text).arg(keys.stop);
        command.arg(flush.generation).arg(flush.length_before).arg(&flush.text).arg(TEXT_LIFE_MS);
        let frame = flush.frame.as_ref().map(|frame| self.connection.payload(frame)).unwrap_or_default();
        command.arg(channel(&self.connection, &flush.conversation_id)).arg(frame);
        command.arg(self.connection.channels().publish());
        self.flushes.call(command).await.and_then(outcome)
    }

    async fn snapshot(&self, message_id: MessageId) -> Result<Option<Snapshot>, PortError> {
        let keys = self.keys(message_id);
        let mut command = redis::cmd("MGET");
        command.arg(keys.generation).arg(keys.text);
        let (generation, text): (Option<String>, Option<String>) = self.connection.query(&command).await?;
        let (Some(generation), Some(text)) = (generation, text) else { return Ok(None) };
        if generation == "closed" {
            return Ok(None);
        }
        match generation.parse() {
            Ok(generation) => Ok(Some(Snapshot { generation, text })),
            Err(error) => Err(PortError::corrupt(SYSTEM, error)),
        }
    }

    async fn request_stop(&self, message_id: MessageId) -> Result<(), PortError> {
        let mut command = redis::cmd("SET");
        command.arg(self.keys(message_id).stop).arg(1).arg("PX").arg(TEXT_LIFE_MS);
        self.connection.query(&command).await
    }

    async fn close(&self, message_id: MessageId) -> Result<(), PortError> {
        let keys = self.keys(message_id);
        let mut script = self.scripts.close.prepare_invoke();
        script.key(keys.generation).key(keys.text).key(keys.stop).arg(FENCE_LIFE_MS);
        self.connection.invoke::<i64>(&script).await.map(|_closed| ())
    }
}

fn outcome(answer: i64) -> Result<FlushOutcome, PortError> {
    match answer {
        FENCED => Ok(FlushOutcome::Fenced),
        DIVERGED => Ok(FlushOutcome::Diverged),
        ACCEPTED => Ok(FlushOutcome::Accepted { stop_requested: false }),
        ACCEPTED_AND_STOP => Ok(FlushOutcome::Accepted { stop_requested: true }),
        unknown => Err(PortError::corrupt(SYSTEM, format!("a script answered {unknown}"))),
    }
}
