//! Texts that people write, parsed once: what passes here is stored and shown as it is.

use crate::error::{ChatError, ContentError, Field};

/// A text of 1 to `limit` Unicode scalar values (`0`: any number) that is not blank and has no NUL. White
/// space at both ends goes.
pub fn parse_text(field: Field, text: &str, limit: u32) -> Result<String, ChatError> {
    let refuse = |error| Err(ChatError::Invalid { field, error });
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return refuse(ContentError::Blank);
    }
    if trimmed.contains('\0') {
        return refuse(ContentError::Nul);
    }
    if limit > 0 && exceeds(trimmed, limit) {
        return refuse(ContentError::TooLong { limit });
    }
    Ok(trimmed.to_owned())
}

/// The first `limit` characters of the first line, as a title.
pub fn title_of(text: &str, limit: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut title: String = line.chars().take(limit).collect();
    if line.chars().nth(limit).is_some() {
        title.push('…');
    }
    title
}

fn exceeds(text: &str, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    text.len() > limit && text.chars().nth(limit).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> ContentError {
        match parse_text(Field::Content, text, 1_000) {
            Err(ChatError::Invalid { error, .. }) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_thousand_chinese_characters_pass_and_one_more_does_not() {
        assert!(parse_text(Field::Content, &"学".repeat(1_000), 1_000).is_ok());
        assert_eq!(refusal(&"学".repeat(1_001)), ContentError::TooLong { limit: 1_000 });
    }

    #[test]
    fn blank_texts_and_nul_are_refused() {
        assert_eq!(refusal(" \u{3000}\n"), ContentError::Blank);
        assert_eq!(refusal("a\0b"), ContentError::Nul);
    }

    #[test]
    fn a_title_is_the_beginning_of_the_first_line() {
        assert_eq!(title_of("学而时习之\n第二行", 20), "学而时习之");
        assert_eq!(title_of("学而时习之", 3), "学而时…");
    }
}
