//! What a room may be: texts, numbers and characters of a wish, checked before anything is stored.

use sha2::{Digest, Sha256};

use crate::content::parse_text;
use crate::conversation::CharacterId;
use crate::error::{ChatError, ContentError, Field};
use crate::room::{RoomProfile, RoomSettings};

pub(in crate::service) const NAME_CHARS_MAX: u32 = 50;
const DESCRIPTION_CHARS_MAX: u32 = 500;
/// Paths, categories and words of a subject: long enough for a URL.
const LABEL_CHARS_MAX: u32 = 1_000;
const TOPICS_MAX: usize = 16;
const CHARACTERS_MAX: usize = 8;
const MEMBERS_MIN: u32 = 2;
const MEMBERS_MAX: u32 = 2_000;
/// A public room is the operator's, who knows what the house bears.
const PUBLIC_MEMBERS_MAX: u32 = 100_000;
const RESPONSE_DELAY_MS_MAX: u32 = 10_000;
const LEVEL_MAX: u32 = 1_000;

/// What a private room shows. Bonuses and levels belong to public rooms: nobody gives them to their own.
pub(super) fn parse_profile(wanted: &RoomProfile) -> Result<RoomProfile, ChatError> {
    if wanted.topics.len() > TOPICS_MAX {
        return Err(ChatError::Invalid { field: Field::Topic, error: ContentError::Range });
    }
    let label = |text: &str| parse_optional(Field::Description, text, LABEL_CHARS_MAX);
    let topics = wanted.topics.iter().map(|topic| parse_text(Field::Topic, topic, NAME_CHARS_MAX));
    Ok(RoomProfile {
        name: parse_text(Field::Name, &wanted.name, NAME_CHARS_MAX)?,
        description: parse_description(&wanted.description)?,
        icon: label(&wanted.icon)?,
        background: label(&wanted.background)?,
        category: label(&wanted.category)?,
        topics: topics.collect::<Result<_, _>>()?,
        skill_bonuses: Vec::new(),
        require_level: 0,
    })
}

/// What a room is about; nothing is fine.
pub(super) fn parse_description(text: &str) -> Result<String, ChatError> {
    parse_optional(Field::Description, text, DESCRIPTION_CHARS_MAX)
}

fn parse_optional(field: Field, text: &str, limit: u32) -> Result<String, ChatError> {
    if text.trim().is_empty() { Ok(String::new()) } else { parse_text(field, text, limit) }
}

/// A level that a room requires. Levels belong to public rooms: nobody sets one for their own.
pub(super) fn check_level(level: u32, is_public: bool) -> Result<u32, ChatError> {
    if is_public && level <= LEVEL_MAX {
        Ok(level)
    } else {
        Err(ChatError::Invalid { field: Field::RequireLevel, error: ContentError::Range })
    }
}

/// Settings within their bounds; only the room's own characters can be silenced.
pub(super) fn check_settings(
    mut settings: RoomSettings,
    characters: &[CharacterId],
    is_public: bool,
) -> Result<RoomSettings, ChatError> {
    let members_max = if is_public { PUBLIC_MEMBERS_MAX } else { MEMBERS_MAX };
    let out_of_range = |field| Err(ChatError::Invalid { field, error: ContentError::Range });
    if !(MEMBERS_MIN..=members_max).contains(&settings.max_members) {
        return out_of_range(Field::MaxMembers);
    }
    if settings.ai_response_delay > RESPONSE_DELAY_MS_MAX {
        return out_of_range(Field::AiResponseDelay);
    }
    settings.muted_characters.retain(|id| characters.contains(id));
    Ok(settings)
}

/// Ids of a room's characters, each once, in the order in which they were named.
pub(in crate::service) fn parse_characters(ids: &[String]) -> Result<Vec<CharacterId>, ChatError> {
    if ids.len() > CHARACTERS_MAX {
        return Err(ChatError::Invalid { field: Field::Characters, error: ContentError::Range });
    }
    let mut characters = Vec::with_capacity(ids.len());
    for id in ids {
        let id: CharacterId = id.parse().map_err(|_invalid| ChatError::UnknownCharacter)?;
        if !characters.contains(&id) {
            characters.push(id);
        }
    }
    Ok(characters)
}

/// Two requests with the same hash ask for the same room.
pub(in crate::service) fn body_hash(
    profile: &RoomProfile,
    settings: &RoomSettings,
    characters: &[CharacterId],
) -> String {
    // Plain data with text keys: serialising it cannot fail.
    let body = serde_json::to_vec(&(profile, settings, characters)).unwrap_or_default();
    hex::encode(Sha256::digest(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::PayerRule;

    fn wanted(name: &str) -> RoomProfile {
        RoomProfile { name: name.to_owned(), require_level: 9, ..RoomProfile::default() }
    }

    #[test]
    fn a_room_needs_a_name_of_at_most_fifty_characters() {
        assert!(parse_profile(&wanted(&"学".repeat(50))).is_ok());
        for bad in ["", " ", &"学".repeat(51)] {
            assert!(matches!(
                parse_profile(&wanted(bad)),
                Err(ChatError::Invalid { field: Field::Name, .. })
            ));
        }
        let parsed = parse_profile(&wanted(" 书房 ")).unwrap();
        assert_eq!((parsed.name.as_str(), parsed.require_level), ("书房", 0));
    }

    #[test]
    fn a_description_may_be_empty_and_has_a_bound() {
        assert_eq!(parse_description("  ").unwrap(), "");
        assert!(parse_description(&"学".repeat(500)).is_ok());
        assert!(parse_description(&"学".repeat(501)).is_err());
        assert!(parse_description("a\0b").is_err());
    }

    #[test]
    fn settings_have_bounds_and_silence_the_rooms_own_characters_only() {
        let kongzi: CharacterId = "classics_kongzi".parse().unwrap();
        let other: CharacterId = "classics_laozi".parse().unwrap();
        let settings = |max_members, ai_response_delay| RoomSettings {
            max_members,
            ai_response_delay,
            muted_characters: vec![kongzi.clone(), other.clone()],
            ..RoomSettings::default()
        };
        let characters = [kongzi.clone()];
        let checked = check_settings(settings(2, 10_000), &characters, false).unwrap();
        assert_eq!(checked.muted_characters, characters);
        assert!(check_settings(settings(2_000, 0), &characters, false).is_ok());
        for (members, delay) in [(1, 0), (2_001, 0), (2, 10_001)] {
            assert!(check_settings(settings(members, delay), &characters, false).is_err());
        }
        assert!(check_settings(settings(2_001, 0), &characters, true).is_ok());
        let pool = RoomSettings { payer: PayerRule::Pool, ..settings(2, 0) };
        assert!(check_settings(pool, &characters, false).is_ok());
    }

    #[test]
    fn only_public_rooms_require_a_level() {
        assert_eq!(check_level(3, true).unwrap(), 3);
        assert!(check_level(3, false).is_err() && check_level(1_001, true).is_err());
    }

    #[test]
    fn a_character_is_in_a_room_once_and_eight_are_enough() {
        let ids = |count: usize| (0..count).map(|n| format!("c_{}", n % 4)).collect::<Vec<_>>();
        assert_eq!(parse_characters(&ids(8)).unwrap().len(), 4);
        assert!(parse_characters(&ids(9)).is_err());
        assert!(matches!(parse_characters(&["孔子".to_owned()]), Err(ChatError::UnknownCharacter)));
    }
}
