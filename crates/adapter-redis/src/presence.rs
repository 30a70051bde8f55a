//! Who is here, on all instances of one Redis.
//!
//! Three sorted sets a conversation, with one hash tag, scored by the time until which they count: entries (person
//! and instance), people (the longest of their entries), and instances. So a count is one range, and a departure
//! looks at as many scores as there are instances. Each step is one script.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::generation::InstanceId;
use chat::ports::{Arrival, Attendance, Online, Presence};
use kernel::{PortError, Timestamp, UserId};
use redis::Script;

use crate::connection::{RedisConnection, SYSTEM};

/// What nobody renews is gone after so long, in milliseconds.
const KEYS_LIFE_MS: u64 = 600_000;
/// People that one script renews.
const RENEWED_AT_ONCE: usize = 500;

/// KEYS entries, people, instances; ARGV user, instance, now, until, most people, life.
const ARRIVE: &str = r"
local here = redis.call('ZSCORE', KEYS[2], ARGV[1])
local is_new = not here or tonumber(here) <= tonumber(ARGV[3])
local online = redis.call('ZCOUNT', KEYS[2], '(' .. ARGV[3], '+inf')
local most = tonumber(ARGV[5])
if is_new and most > 0 and online >= most then return {0, 0, online} end
redis.call('ZADD', KEYS[1], 'GT', ARGV[4], ARGV[1] .. ':' .. ARGV[2])
redis.call('ZADD', KEYS[2], 'GT', ARGV[4], ARGV[1])
redis.call('ZADD', KEYS[3], 'GT', ARGV[4], ARGV[2])
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[6]) end
if is_new then return {1, 1, online + 1} end
return {1, 0, online}
";

/// KEYS entries, people, instances; ARGV user, instance, until.
const DEPART: &str = r"
local entry = ARGV[1] .. ':' .. ARGV[2]
if not redis.call('ZSCORE', KEYS[1], entry) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], entry)
local longest = tonumber(ARGV[3])
for _, instance in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  local held = redis.call('ZSCORE', KEYS[1], ARGV[1] .. ':' .. instance)
  if held and tonumber(held) > longest then longest = tonumber(held) end
end
redis.call('ZADD', KEYS[2], longest, ARGV[1])
return 1
";

/// KEYS entries, people, instances; ARGV instance, until, life, user...
const REFRESH: &str = r"
for n = 4, #ARGV do
  redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[n] .. ':' .. ARGV[1])
  redis.call('ZADD', KEYS[2], 'GT', ARGV[2], ARGV[n])
end
redis.call('ZADD', KEYS[3], 'GT', ARGV[2], ARGV[1])
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
return 1
";

/// KEYS entries, people, instances; ARGV now, how many.
const EXPIRE: &str = r"
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
if #gone > 0 then redis.call('ZREM', KEYS[2], unpack(gone)) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[1])
return gone
";

/// KEYS people; ARGV now, how many.
const ONLINE: &str = r"
local from = '(' .. ARGV[1]
local users = {}
if tonumber(ARGV[2]) > 0 then
  users = redis.call('ZRANGEBYSCORE', KEYS[1], from, '+inf', 'LIMIT', 0, ARGV[2])
end
return {redis.call('ZCOUNT', KEYS[1], from, '+inf'), users}
";

/// People who are found gone by one call.
const GONE_AT_ONCE: usize = 1_000;

/// Who is here, in Redis.
#[derive(Clone)]
pub struct RedisPresence {
    connection: RedisConnection,
    scripts: Arc<Scripts>,
}

struct Scripts {
    arrive: Script,
    depart: Script,
    refresh: Script,
    expire: Script,
    online: Script,
}

struct Keys {
    entries: String,
    people: String,
    instances: String,
}

impl RedisPresence {
    /// On this Redis.
    pub fn new(connection: &RedisConnection) -> Self {
        let scripts = Scripts {
            arrive: Script::new(ARRIVE),
            depart: Script::new(DEPART),
            refresh: Script::new(REFRESH),
            expire: Script::new(EXPIRE),
            online: Script::new(ONLINE),
        };
        Self { connection: connection.clone(), scripts: scripts.into() }
    }

    fn keys(&self, conversation: &ConversationId) -> Keys {
        let key = |part: &str| self.connection.key(&format!("here:{{{conversation}}}:{part}"));
        Keys { entries: key("entries"), people: key("people"), instances: key("instances") }
    }
}

#[async_trait]
impl Presence for RedisPresence {
    async fn arrive(
        &self,
        who: Attendance<'_>,
        now: Timestamp,
        until: Timestamp,
        people_max: u32,
    ) -> Result<Arrival, PortError> {
        let keys = self.keys(who.conversation);
        let mut script = self.scripts.arrive.key(keys.entries);
        script.key(keys.people).key(keys.instances);
        script.arg(who.user.to_string()).arg(who.instance.to_string());
        script.arg(now.as_millis()).arg(until.as_millis()).arg(people_max).arg(KEYS_LIFE_MS);
        let (is_here, came, online): (bool, bool, u32) = self.connection.invoke(&script).await?;
        Ok(if is_here { Arrival::Here { came, online } } else { Arrival::Full { online } })
    }

    async fn depart(&self, who: Attendance<'_>, until: Timestamp) -> Result<(), PortError> {
        let keys = self.keys(who.conversation);
        let mut script = self.scripts.depart.key(keys.entries);
        script.key(keys.people).key(keys.instances);
        script.arg(who.user.to_string()).arg(who.instance.to_string()).arg(until.as_millis());
        self.connection.invoke::<i64>(&script).await.map(|_noted| ())
    }

    async fn refresh(
        &self,
        entries: &[(ConversationId, UserId)],
        instance: InstanceId,
        until: Timestamp,
    ) -> Result<(), PortError> {
        let mut rooms: HashMap<&ConversationId, Vec<UserId>> = HashMap::new();
        for (conversation, user) in entries {
            rooms.entry(conversation).or_default().push(*user);
        }
        for (conversation, people) in rooms {
            for part in people.chunks(RENEWED_AT_ONCE) {
                let keys = self.keys(conversation);
                let mut script = self.scripts.refresh.key(keys.entries);
                script.key(keys.people).key(keys.instances);
                script.arg(instance.to_string()).arg(until.as_millis()).arg(KEYS_LIFE_MS);
                for user in part {
                    script.arg(user.to_string());
                }
                self.connection.invoke::<i64>(&script).await?;
            }
        }
        Ok(())
    }

    async fn expire(&self, conversation: &ConversationId, now: Timestamp) -> Result<Vec<UserId>, PortError> {
        let keys = self.keys(conversation);
        let mut script = self.scripts.expire.key(keys.entries);
        script.key(keys.people).key(keys.instances).arg(now.as_millis()).arg(GONE_AT_ONCE);
        users(&self.connection.invoke::<Vec<String>>(&script).await?)
    }

    async fn online(
        &self,
        conversation: &ConversationId,
        now: Timestamp,
        users_max: u32,
    ) -> Result<Online, PortError> {
        let mut script = self.scripts.online.key(self.keys(conversation).people);
        script.arg(now.as_millis()).arg(users_max);
        let (count, names): (u32, Vec<String>) = self.connection.invoke(&script).await?;
        Ok(Online { count, users: users(&names)? })
    }
}

fn users(names: &[String]) -> Result<Vec<UserId>, PortError> {
    let parsed = names.iter().map(|name| name.parse());
    parsed.collect::<Result<_, _>>().map_err(|error: kernel::InvalidId| PortError::corrupt(SYSTEM, error))
}
