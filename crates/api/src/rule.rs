//! What is wrong with a field of a request: the rules, their stable words, and their words for people.

use crate::language::Language;

/// What a field of a request breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It is missing.
    Required,
    /// It has another JSON type.
    Type,
    /// Its type is right and its value is not one that is taken.
    Value,
    /// It is empty or only white space.
    Blank,
    /// It is too long.
    TooLong,
    /// It is too short.
    TooShort,
    /// It is not written as such a thing is.
    Format,
    /// It has a NUL character.
    Nul,
    /// A password that everybody tries first.
    TooCommon,
    /// It is what it was before.
    Unchanged,
    /// There is none yet, so that none can be compared or changed.
    NotSet,
}

impl Rule {
    const ALL: [Self; 11] = [
        Self::Required,
        Self::Type,
        Self::Value,
        Self::Blank,
        Self::TooLong,
        Self::TooShort,
        Self::Format,
        Self::Nul,
        Self::TooCommon,
        Self::Unchanged,
        Self::NotSet,
    ];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Type => "type",
            Self::Value => "value",
            Self::Blank => "blank",
            Self::TooLong => "too_long",
            Self::TooShort => "too_short",
            Self::Format => "format",
            Self::Nul => "nul",
            Self::TooCommon => "too_common",
            Self::Unchanged => "unchanged",
            Self::NotSet => "not_set",
        }
    }

    /// The rule of a context's word; one we have no words for is about the form.
    pub fn of_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|rule| rule.as_str() == word).unwrap_or(Self::Format)
    }

    const fn message(self, language: Language) -> &'static str {
        let (chinese, english) = match self {
            Self::Required => ("缺少必填字段", "is required"),
            Self::Type => ("类型不正确", "has the wrong type"),
            Self::Value => ("值不在允许的范围内", "is not an allowed value"),
            Self::Blank => ("不能为空", "must not be blank"),
            Self::TooLong => ("太长", "is too long"),
            Self::TooShort => ("太短", "is too short"),
            Self::Format => ("格式不正确", "is not written correctly"),
            Self::Nul => ("不能包含空字符（NUL）", "must not have a NUL character"),
            Self::TooCommon => ("太常见，容易被猜到", "is too common and easily guessed"),
            Self::Unchanged => ("与原来的相同", "is the same as before"),
            Self::NotSet => ("尚未设置", "has not been set yet"),
        };
        language.choose(chinese, english)
    }
}

/// A field that a request cannot have so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// Its path in the body, `a.b[0]`, or its name in the query; empty for the body itself.
    pub field: String,
    /// What it breaks.
    pub rule: Rule,
    /// The number of the rule, in Unicode characters.
    pub limit: Option<u32>,
}

impl InvalidField {
    /// A field and the rule it breaks.
    pub fn new(field: impl Into<String>, rule: Rule) -> Self {
        Self { field: field.into(), rule, limit: None }
    }

    /// The words for people.
    pub(crate) fn message(&self, language: Language) -> String {
        let words = self.rule.message(language);
        match (self.limit, language) {
            (None, _) => words.to_owned(),
            (Some(limit), Language::Chinese) => format!("{words}（上限 {limit} 个字符）"),
            (Some(limit), Language::English) => format!("{words} (at most {limit} characters)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_context_finds_its_rule() {
        for rule in Rule::ALL {
            assert_eq!(Rule::of_word(rule.as_str()), rule);
        }
        assert_eq!(Rule::of_word("something_new"), Rule::Format);
    }

    #[test]
    fn a_limit_is_part_of_the_words() {
        let field = InvalidField { limit: Some(1_000), ..InvalidField::new("content", Rule::TooLong) };
        assert_eq!(field.message(Language::Chinese), "太长（上限 1000 个字符）");
        assert_eq!(field.message(Language::English), "is too long (at most 1000 characters)");
    }
}
