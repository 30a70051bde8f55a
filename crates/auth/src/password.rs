//! The password policy: length in characters, no NUL, none of the passwords that everybody tries first.
//!
//! There are no rules on classes of characters: length is what helps. Characters are Unicode scalars, so that 64
//! Chinese characters are as welcome as 64 letters.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::error::FieldError;

/// Fewest characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Most characters of a password.
pub const PASSWORD_CHARS_MAX: usize = 64;

const COMMON: &str = include_str!("common_passwords.txt");

/// Checks a new password; `field` is its name on the wire.
pub(crate) fn check_new(field: &'static str, password: &SecretString) -> Result<(), FieldError> {
    let text = password.expose_secret();
    check_any(field, text)?;
    if text.chars().count() < PASSWORD_CHARS_MIN {
        return Err(FieldError::new(field, "too_short"));
    }
    if is_common(text) {
        return Err(FieldError::new(field, "too_common"));
    }
    Ok(())
}

/// Checks a password that is to be compared: only what no password can be is refused.
pub(crate) fn check_given(field: &'static str, password: &SecretString) -> Result<(), FieldError> {
    check_any(field, password.expose_secret())
}

fn check_any(field: &'static str, text: &str) -> Result<(), FieldError> {
    if text.is_empty() {
        return Err(FieldError::new(field, "required"));
    }
    if text.contains('\0') {
        return Err(FieldError::new(field, "nul"));
    }
    if text.chars().count() > PASSWORD_CHARS_MAX {
        return Err(FieldError::new(field, "too_long"));
    }
    Ok(())
}

fn is_common(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut characters = lower.chars();
    let first = characters.next();
    characters.all(|c| Some(c) == first) || COMMON.lines().any(|common| common == lower)
}

/// What is stored of a password; only the hasher reads it. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash, as a hasher made it or storage kept it.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<&'static str> {
        check_new("password", &SecretString::from(text)).err().map(|error| error.rule)
    }

    #[test]
    fn length_counts_characters_and_not_bytes() {
        let chinese: String = "学而时习之不亦说乎".chars().cycle().take(64).collect();
        assert_eq!(rule(&chinese), None);
        assert_eq!(rule(&format!("{chinese}有")), Some("too_long"));
        assert_eq!(rule("学而时习之不亦"), Some("too_short"));
        assert_eq!(rule("学而时习之不亦说"), None);
    }

    #[test]
    fn what_everybody_tries_first_is_refused_in_any_case() {
        for text in
            ["password", "PassWord", "12345678", "qwertyuiop", "woaini1314", "aaaaaaaa", "11111111111"]
        {
            assert_eq!(rule(text), Some("too_common"), "{text}");
        }
    }

    #[test]
    fn empty_and_nul_have_their_own_rules() {
        assert_eq!(rule(""), Some("required"));
        assert_eq!(rule("long enough\0"), Some("nul"));
    }

    #[test]
    fn a_password_to_compare_may_be_short_or_common() {
        assert!(check_given("password", &SecretString::from("123")).is_ok());
        assert!(check_given("password", &SecretString::from("")).is_err());
    }

    #[test]
    fn every_line_of_the_list_could_pass_the_length_rule() {
        for line in COMMON.lines() {
            assert!(line.chars().count() >= PASSWORD_CHARS_MIN && line == line.to_lowercase(), "{line}");
        }
    }
}
