//! The people and characters of a test, and the rates that are set for them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use chat::ports::{Admission, Levels, People, Persona, Personas, Throttle};
use chat::{CharacterId, ConversationId, UserCard};
use kernel::{PortError, UserId};

/// Characters by their ids: masters have their names, `char_e_1` has the letter E, `nobody` is nobody, and all others
/// are 孔子.
pub struct Cast;

const MASTERS: [(&str, &str); 4] = [
    ("classics_kongzi", "孔子"),
    ("classics_mengzi", "孟子"),
    ("classics_laozi", "老子"),
    ("classics_sunzi", "孙子"),
];

impl Cast {
    fn find(id: &CharacterId) -> Option<Persona> {
        let (text, kongzi) = (id.as_str(), ("", "孔子"));
        let (_, name) = MASTERS.into_iter().find(|(master, _)| *master == text).unwrap_or(kongzi);
        let plain = Persona::named(id.clone(), name, &format!("你是{name}。"));
        if text == "nobody" {
            None
        } else if let Some(letter) = text.strip_prefix("char_").and_then(|rest| rest.get(..1)) {
            let name = format!("小{}", text.replace("char_", "").replace('_', ""));
            Some(Persona { dimension: letter.to_uppercase(), ..Persona { name, ..plain } })
        } else {
            let works = vec!["论语".to_owned()];
            Some(Persona { lines: vec!["善哉问。".to_owned()], uses_knowledge: true, works, ..plain })
        }
    }
}

#[async_trait]
impl Personas for Cast {
    async fn persona(&self, id: &CharacterId) -> Result<Option<Persona>, PortError> {
        Ok(Self::find(id))
    }

    async fn by_name(&self, name: &str) -> Result<Option<Persona>, PortError> {
        let master = MASTERS.into_iter().find(|(_, master)| *master == name);
        Ok(master.and_then(|(id, _)| Self::find(&id.parse().expect("a master's id"))))
    }

    fn affinity(&self, _: &CharacterId, _: &CharacterId) -> u8 {
        50
    }
}

/// Everybody has a name, as long as it can be read.
#[derive(Default)]
pub struct Society {
    is_away: AtomicBool,
}

impl Society {
    /// From now on nobody's name can be read.
    pub fn go_away(&self) {
        self.is_away.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl People for Society {
    async fn cards(&self, users: &[UserId]) -> Result<Vec<UserCard>, PortError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(PortError::unavailable("people", "away"));
        }
        let card = |user: &UserId| UserCard {
            user_id: *user,
            nick_name: format!("同学{user}"),
            avatar_url: String::new(),
        };
        Ok(users.iter().map(card).collect())
    }
}

/// Rates: none, until the test uses them up.
#[derive(Default)]
pub struct Turnstile {
    is_closed: AtomicBool,
}

impl Turnstile {
    /// From now on every rate is used up.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    fn admission(&self) -> Admission {
        if self.is_closed.load(Ordering::Relaxed) {
            Admission::Limited { retry_after_ms: 1_000, limit: 30 }
        } else {
            Admission::Admitted
        }
    }
}

#[async_trait]
impl Throttle for Turnstile {
    fn counts_messages(&self) -> bool {
        true
    }

    async fn message(&self, _: UserId) -> Result<Admission, PortError> {
        Ok(self.admission())
    }

    async fn room(&self, _: &ConversationId) -> Result<Admission, PortError> {
        Ok(self.admission())
    }

    async fn like(&self, _: UserId) -> Result<Admission, PortError> {
        Ok(self.admission())
    }

    async fn report(&self, _: UserId) -> Result<Admission, PortError> {
        Ok(self.admission())
    }
}

/// Everybody is as far as the test says; at first, at the beginning.
pub struct SameLevel(AtomicU32);

impl Default for SameLevel {
    fn default() -> Self {
        Self(AtomicU32::new(1))
    }
}

impl SameLevel {
    /// From now on everybody has this level.
    pub fn rise_to(&self, level: u32) {
        self.0.store(level, Ordering::Relaxed);
    }
}

#[async_trait]
impl Levels for SameLevel {
    async fn level(&self, _: UserId) -> Result<u32, PortError> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}
