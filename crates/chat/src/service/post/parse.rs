//! What a person says, checked as far as it can be without asking anybody.

use kernel::MessageId;
use sha2::{Digest, Sha256};

use super::Draft;
use crate::content::parse_text;
use crate::conversation::CharacterId;
use crate::error::{ChatError, ContentError, Field};
use crate::service::ask::parse_client_msg_id;

const MENTIONS_MAX: u32 = 8;

/// A message whose form is right.
#[derive(Debug)]
pub(in crate::service) struct Said {
    pub(in crate::service) content: String,
    pub(in crate::service) mentions: Vec<CharacterId>,
    pub(in crate::service) reply_to: Option<MessageId>,
    pub(in crate::service) client_msg_id: Option<String>,
    pub(in crate::service) body_hash: String,
}

impl Said {
    /// Checks a draft. `chars_max` is the most characters of a text; 0 is no limit.
    pub(in crate::service) fn parse(draft: &Draft, chars_max: u32) -> Result<Self, ChatError> {
        let content = parse_text(Field::Content, &draft.content, chars_max)?;
        let client_msg_id = match &draft.client_msg_id {
            Some(id) => Some(parse_client_msg_id(id)?),
            None => None,
        };
        let mentions = parse_mentions(&draft.mentions)?;
        let body_hash = body_hash(&content, &mentions, draft.reply_to);
        Ok(Self { content, mentions, reply_to: draft.reply_to, client_msg_id, body_hash })
    }
}

/// Each character once, in the order in which they were named.
fn parse_mentions(ids: &[String]) -> Result<Vec<CharacterId>, ChatError> {
    if ids.len() > usize::try_from(MENTIONS_MAX).unwrap_or(usize::MAX) {
        let error = ContentError::TooLong { limit: MENTIONS_MAX };
        return Err(ChatError::Invalid { field: Field::Mentions, error });
    }
    let mut mentions = Vec::with_capacity(ids.len());
    for id in ids {
        let id: CharacterId = id.parse().map_err(|_invalid| ChatError::UnknownCharacter)?;
        if !mentions.contains(&id) {
            mentions.push(id);
        }
    }
    Ok(mentions)
}

/// Two messages with the same hash say the same.
fn body_hash(content: &str, mentions: &[CharacterId], reply_to: Option<MessageId>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(content);
    for mention in mentions {
        hasher.update([0]);
        hasher.update(mention.as_str());
    }
    if let Some(id) = reply_to {
        hasher.update([1]);
        hasher.update(id.to_string());
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(content: &str, mentions: &[&str]) -> Draft {
        Draft {
            content: content.to_owned(),
            mentions: mentions.iter().map(|id| (*id).to_owned()).collect(),
            ..Draft::default()
        }
    }

    fn parsed(draft: &Draft) -> Result<Said, ChatError> {
        Said::parse(draft, 10)
    }

    #[test]
    fn a_message_has_text_and_at_most_eight_mentions() {
        assert!(parsed(&draft("学".repeat(10).as_str(), &["a"; 8])).is_ok());
        assert!(parsed(&draft("学".repeat(11).as_str(), &[])).is_err());
        assert!(parsed(&draft(" ", &[])).is_err());
        let many = parsed(&draft("学", &["a"; 9]));
        assert!(matches!(many, Err(ChatError::Invalid { field: Field::Mentions, .. })));
        assert!(matches!(parsed(&draft("学", &["孔子"])), Err(ChatError::UnknownCharacter)));
    }

    #[test]
    fn a_character_is_mentioned_once() {
        let said = parsed(&draft("学", &["b", "a", "b"])).unwrap();
        let ids: Vec<&str> = said.mentions.iter().map(CharacterId::as_str).collect();
        assert_eq!(ids, ["b", "a"]);
    }

    #[test]
    fn the_hash_tells_another_message_from_a_retry() {
        let hash = |draft: &Draft| parsed(draft).unwrap().body_hash;
        let plain = draft("学", &[]);
        let answer = Draft { reply_to: "00000000-0000-7000-8000-000000000001".parse().ok(), ..plain.clone() };
        assert_eq!(hash(&plain), hash(&draft(" 学 ", &[])));
        let others = [draft("习", &[]), draft("学", &["a"]), draft("学", &["a", "b"]), answer];
        assert!(others.iter().all(|other| hash(other) != hash(&plain)));
    }
}
