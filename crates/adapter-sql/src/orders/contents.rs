//! What a product delivers, and what a coupon is for, as the JSON of a column.

use billing::{Content, ProductKind};
use kernel::{Credits, PortError};
use serde::{Deserialize, Serialize};

use crate::error::corrupt;
use crate::words::{json, read_json};

/// A content as stored. Names of fields and variants are written in every order that was ever made.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Stored {
    Credits {
        amount: i64,
        bonus: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        days: Option<u32>,
    },
    Character {
        id: String,
    },
    Skill {
        character: String,
        skill: String,
    },
    Vip {
        months: u32,
    },
}

impl From<&Content> for Stored {
    fn from(content: &Content) -> Self {
        match content {
            Content::Credits { amount, bonus, days } => {
                Self::Credits { amount: amount.get(), bonus: bonus.get(), days: *days }
            }
            Content::Character { id } => Self::Character { id: id.clone() },
            Content::Skill { character_id, skill_id } => {
                Self::Skill { character: character_id.clone(), skill: skill_id.clone() }
            }
            Content::Vip { months } => Self::Vip { months: *months },
        }
    }
}

impl From<Stored> for Content {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Credits { amount, bonus, days } => {
                Self::Credits { amount: Credits::new(amount), bonus: Credits::new(bonus), days }
            }
            Stored::Character { id } => Self::Character { id },
            Stored::Skill { character, skill } => Self::Skill { character_id: character, skill_id: skill },
            Stored::Vip { months } => Self::Vip { months },
        }
    }
}

pub(super) fn written(contents: &[Content]) -> String {
    let stored: Vec<Stored> = contents.iter().map(Into::into).collect();
    json(&stored)
}

pub(super) fn read(text: &str) -> Result<Vec<Content>, PortError> {
    let stored: Vec<Stored> = read_json(text, "orders.contents")?;
    Ok(stored.into_iter().map(Into::into).collect())
}

pub(super) fn kinds_written(kinds: &[ProductKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    json(&words)
}

pub(super) fn read_kinds(text: &str) -> Result<Vec<ProductKind>, PortError> {
    let words: Vec<String> = read_json(text, "coupons.kinds")?;
    words.iter().map(|word| word.parse().map_err(|_unknown| corrupt("coupons.kinds"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_come_back_and_their_json_stays_as_it_was() {
        let all = vec![
            Content::Credits { amount: Credits::new(5), bonus: Credits::new(1), days: Some(30) },
            Content::Character { id: "a".into() },
            Content::Skill { character_id: "a".into(), skill_id: "s".into() },
            Content::Vip { months: 12 },
        ];
        let text = written(&all);
        assert_eq!(read(&text).unwrap(), all);
        let expected = r#"[{"kind":"credits","amount":5,"bonus":1,"days":30},{"kind":"character","id":"a"},{"kind":"skill","character":"a","skill":"s"},{"kind":"vip","months":12}]"#;
        assert_eq!(text, expected);
    }
}
