//! The public rooms that a server begins with: compiled in, or the operator's own file.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use chat::ports::Personas;
use chat::room::{RoomProfile, RoomSettings, SkillBonus};
use chat::{CharacterId, ConversationId, ConversationKind, Room, TurnStrategy};
use kernel::{Entropy, Timestamp};
use serde::Deserialize;

/// The operator's file, in the data directory.
pub const FILE: &str = "rooms.toml";

const BUILT_IN: &str = include_str!("../data/rooms.toml");
/// A room with more characters would have most of them silent.
const CHARACTERS_MAX: usize = 8;
const BONUS_PERCENT: std::ops::RangeInclusive<u32> = 100..=200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rooms: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: ConversationId,
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    icon: String,
    #[serde(default)]
    background: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    topics: Vec<String>,
    characters: Vec<CharacterId>,
    #[serde(default)]
    bonuses: BTreeMap<String, u32>,
    #[serde(default)]
    require_level: u32,
    #[serde(default)]
    turn_strategy: TurnStrategy,
}

/// The public rooms of this data directory, as they are at their beginning.
pub async fn public_rooms(
    data_dir: &Path,
    personas: &dyn Personas,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> anyhow::Result<Vec<Room>> {
    let own = data_dir.join(FILE);
    let text = match tokio::fs::read_to_string(&own).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BUILT_IN.to_owned(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", own.display())),
    };
    read(&text, personas, entropy, now).await.context(FILE)
}

async fn read(
    text: &str,
    personas: &dyn Personas,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> anyhow::Result<Vec<Room>> {
    let file: File = toml::from_str(text)?;
    let mut ids = HashSet::new();
    let mut rooms = Vec::with_capacity(file.rooms.len());
    for entry in file.rooms {
        ensure!(ids.insert(entry.id.clone()), "{} is there twice", entry.id);
        check(&entry, personas).await.with_context(|| entry.id.to_string())?;
        rooms.push(room(entry, epoch(entropy), now));
    }
    Ok(rooms)
}

async fn check(entry: &Entry, personas: &dyn Personas) -> anyhow::Result<()> {
    ensure!(!entry.name.trim().is_empty(), "a room needs a name");
    ensure!(entry.characters.len() <= CHARACTERS_MAX, "at most {CHARACTERS_MAX} characters");
    for (skill, percent) in &entry.bonuses {
        ensure!(BONUS_PERCENT.contains(percent), "the bonus of {skill} is not 100 to 200 percent");
    }
    for id in &entry.characters {
        if personas.persona(id).await?.is_none() {
            bail!("there is no character {id}");
        }
    }
    Ok(())
}

fn room(entry: Entry, epoch: String, now: Timestamp) -> Room {
    let bonuses = entry.bonuses.into_iter().map(|(skill_id, percent)| SkillBonus { skill_id, percent });
    Room {
        id: entry.id,
        kind: ConversationKind::Room,
        owner: None,
        is_public: true,
        profile: RoomProfile {
            name: entry.name,
            description: entry.description,
            icon: entry.icon,
            background: entry.background,
            category: entry.category,
            topics: entry.topics,
            skill_bonuses: bonuses.collect(),
            require_level: entry.require_level,
        },
        settings: RoomSettings {
            max_members: MEMBERS_MAX,
            allow_guest_join: true,
            turn_strategy: entry.turn_strategy,
            ..RoomSettings::default()
        },
        characters: entry.characters,
        epoch,
        head: 0,
        created_at: now,
        last_active_at: now,
        closed_at: None,
        statistics: chat::room::RoomStatistics::default(),
    }
}

/// As many as a room may have; how many are there at once is `limits.room_online`.
const MEMBERS_MAX: u32 = 100_000;

fn epoch(entropy: &dyn Entropy) -> String {
    let mut bytes = [0_u8; 8];
    entropy.fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::SeededEntropy;
    use mbti_roles::{CharacterBook, CharacterService};

    use super::*;
    use crate::bridge::CharacterPersonas;

    async fn rooms_of(text: &str) -> anyhow::Result<Vec<Room>> {
        let book = CharacterBook::built_in().unwrap();
        let personas = CharacterPersonas(Arc::new(CharacterService::new(book)));
        read(text, &personas, &SeededEntropy::new(1), Timestamp::from_millis(1)).await
    }

    #[tokio::test]
    async fn four_rooms_are_built_in() {
        let rooms = rooms_of(BUILT_IN).await.unwrap();
        let names: Vec<(&str, &str)> =
            rooms.iter().map(|room| (room.id.as_str(), room.profile.name.as_str())).collect();
        assert_eq!(
            names,
            [
                ("finance_room", "金融投资"),
                ("entertainment_room", "娱乐休闲"),
                ("diary_room", "每日记事"),
                ("guoxue_room", "国学书院")
            ]
        );
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
        for room in rooms {
            assert!(
                (3..=5).contains(&room.characters.len()) && !room.profile.topics.is_empty(),
                "{}",
                room.id
            );
            assert!(room.profile.skill_bonuses.iter().all(|bonus| (120..=150).contains(&bonus.percent)));
            for picture in [&room.profile.icon, &room.profile.background] {
                assert!(web.join(picture.trim_start_matches('/')).is_file(), "{picture}");
            }
        }
    }

    #[tokio::test]
    async fn a_file_with_a_mistake_says_which() {
        let wrong = |from: &str, to: &str| {
            let text = BUILT_IN.replacen(from, to, 1);
            async move { format!("{:#}", rooms_of(&text).await.unwrap_err()) }
        };
        assert!(wrong("classics_kongzi", "classics_nobody").await.contains("no character classics_nobody"));
        assert!(wrong("diary_room", "finance_room").await.contains("there twice"));
        assert!(wrong("= 150", "= 900").await.contains("financial_analysis"));
        assert!(wrong("category", "kategory").await.contains("kategory"));
    }
}
