//! The sixteen types.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

/// A text that names none of the sixteen types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not one of the sixteen types")]
pub struct InvalidMbti;

macro_rules! types {
    ($($variant:ident = $text:literal: $doc:literal),+ $(,)?) => {
        /// One of the sixteen types, ordered as they are usually told: analysts, diplomats, sentinels, explorers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub enum Mbti {
            $(#[doc = $doc] $variant),+
        }

        impl Mbti {
            /// All of them, in order.
            pub const ALL: [Self; 16] = [$(Self::$variant),+];

            /// Its four capital letters.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }
    };
}

types! {
    Intj = "INTJ": "Architect.",
    Intp = "INTP": "Logician.",
    Entj = "ENTJ": "Commander.",
    Entp = "ENTP": "Debater.",
    Infj = "INFJ": "Advocate.",
    Infp = "INFP": "Mediator.",
    Enfj = "ENFJ": "Protagonist.",
    Enfp = "ENFP": "Campaigner.",
    Istj = "ISTJ": "Logistician.",
    Isfj = "ISFJ": "Defender.",
    Estj = "ESTJ": "Executive.",
    Esfj = "ESFJ": "Consul.",
    Istp = "ISTP": "Virtuoso.",
    Isfp = "ISFP": "Adventurer.",
    Estp = "ESTP": "Entrepreneur.",
    Esfp = "ESFP": "Entertainer.",
}

impl fmt::Display for Mbti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mbti {
    type Err = InvalidMbti;

    /// Case does not matter, since people type `intj`.
    fn from_str(text: &str) -> Result<Self, InvalidMbti> {
        let named = |kind: &Self| kind.as_str().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(named).ok_or(InvalidMbti)
    }
}

impl TryFrom<String> for Mbti {
    type Error = InvalidMbti;

    fn try_from(text: String) -> Result<Self, InvalidMbti> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_text_in_either_case() {
        for kind in Mbti::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(kind.as_str().to_lowercase().parse(), Ok(kind));
        }
    }

    #[test]
    fn another_text_is_refused() {
        for text in ["", "INT", "INTJX", "XXXX", "ＩＮＴＪ"] {
            assert_eq!(text.parse::<Mbti>(), Err(InvalidMbti));
        }
    }
}
