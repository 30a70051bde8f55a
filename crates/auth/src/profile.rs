//! What a person may say about themselves, and the rules for it.

use crate::error::FieldError;
use crate::user::{Gender, User};

const NICK_NAME_CHARS_MAX: usize = 64;
const PLACE_CHARS_MAX: usize = 64;
const URL_CHARS_MAX: usize = 1_024;
/// Web addresses, and what mini-programs call their own files; a path of this server starts with a slash.
const URL_PREFIXES: [&str; 5] = ["https://", "http://", "cloud://", "wxfile://", "/"];

/// A wanted change of a profile, unchecked; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// The name others see: 1 to 64 characters.
    pub nick_name: Option<String>,
    /// URL of the picture; empty removes it.
    pub avatar_url: Option<String>,
    /// WeChat's number: 0 unknown, 1 male, 2 female.
    pub gender: Option<i64>,
    /// At most 64 characters.
    pub country: Option<String>,
    /// At most 64 characters.
    pub province: Option<String>,
    /// At most 64 characters.
    pub city: Option<String>,
    /// One of the sixteen types, in any case.
    pub mbti_type: Option<String>,
}

/// What a mini-program says of its user at sign-in, unchecked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WechatProfile {
    /// The name others see.
    pub nick_name: Option<String>,
    /// URL of the picture.
    pub avatar_url: Option<String>,
    /// WeChat's number: 0 unknown, 1 male, 2 female.
    pub gender: Option<i64>,
    /// Country.
    pub country: Option<String>,
    /// Province.
    pub province: Option<String>,
    /// City.
    pub city: Option<String>,
}

impl WechatProfile {
    /// The change it asks for. A blank name is no name here: mini-programs send one when the person gave none.
    pub fn into_change(self) -> ProfileChange {
        ProfileChange {
            nick_name: self.nick_name.filter(|name| !name.trim().is_empty()),
            avatar_url: self.avatar_url.filter(|url| !url.trim().is_empty()),
            gender: self.gender,
            country: self.country,
            province: self.province,
            city: self.city,
            mbti_type: None,
        }
    }
}

/// A change that keeps every rule; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckedProfile {
    /// The name others see, without blanks around.
    pub nick_name: Option<String>,
    /// URL of the picture; empty for none.
    pub avatar_url: Option<String>,
    /// Gender.
    pub gender: Option<Gender>,
    /// Country; empty for unknown.
    pub country: Option<String>,
    /// Province; empty for unknown.
    pub province: Option<String>,
    /// City; empty for unknown.
    pub city: Option<String>,
    /// One of the sixteen types, in capitals.
    pub mbti_type: Option<String>,
}

impl ProfileChange {
    /// Checks every field and names all that break a rule.
    pub fn check(self) -> Result<CheckedProfile, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut keep = |result: Result<Option<String>, FieldError>| {
            result.unwrap_or_else(|error| {
                errors.push(error);
                None
            })
        };
        let nick_name = keep(self.nick_name.map(|text| check_nick_name(&text)).transpose());
        let avatar_url = keep(self.avatar_url.map(|text| check_avatar_url(&text)).transpose());
        let country = keep(self.country.map(|text| check_place("country", &text)).transpose());
        let province = keep(self.province.map(|text| check_place("province", &text)).transpose());
        let city = keep(self.city.map(|text| check_place("city", &text)).transpose());
        let mbti_type = keep(self.mbti_type.map(|text| check_mbti(&text)).transpose());
        let gender = self.gender.and_then(Gender::from_code);
        if self.gender.is_some() && gender.is_none() {
            errors.push(FieldError::new("gender", "format"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(CheckedProfile { nick_name, avatar_url, gender, country, province, city, mbti_type })
    }
}

impl CheckedProfile {
    /// Puts the given fields on a user.
    pub fn apply_to(&self, user: &mut User) {
        fn put<T: Clone>(field: &mut T, given: Option<&T>) {
            if let Some(value) = given {
                field.clone_from(value);
            }
        }
        put(&mut user.nick_name, self.nick_name.as_ref());
        put(&mut user.avatar_url, self.avatar_url.as_ref());
        put(&mut user.gender, self.gender.as_ref());
        put(&mut user.country, self.country.as_ref());
        put(&mut user.province, self.province.as_ref());
        put(&mut user.city, self.city.as_ref());
        if let Some(mbti_type) = &self.mbti_type {
            user.mbti_type = Some(mbti_type.clone());
        }
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn check_nick_name(text: &str) -> Result<String, FieldError> {
    let name = checked_text("nickName", text, NICK_NAME_CHARS_MAX)?;
    if name.is_empty() {
        return Err(FieldError::new("nickName", "required"));
    }
    Ok(name)
}

fn check_avatar_url(text: &str) -> Result<String, FieldError> {
    let url = checked_text("avatarUrl", text, URL_CHARS_MAX)?;
    let is_known = url.is_empty() || URL_PREFIXES.iter().any(|prefix| url.starts_with(prefix));
    // `//host` would leave this server under the page's own scheme.
    if !is_known || url.starts_with("//") || url.contains(char::is_whitespace) {
        return Err(FieldError::new("avatarUrl", "format"));
    }
    Ok(url)
}

fn check_place(field: &'static str, text: &str) -> Result<String, FieldError> {
    checked_text(field, text, PLACE_CHARS_MAX)
}

fn check_mbti(text: &str) -> Result<String, FieldError> {
    let upper = text.trim().to_ascii_uppercase();
    let is_type = match *upper.as_bytes() {
        [a, b, c, d] => b"EI".contains(&a) && b"SN".contains(&b) && b"TF".contains(&c) && b"JP".contains(&d),
        _ => false,
    };
    if is_type { Ok(upper) } else { Err(FieldError::new("mbtiType", "format")) }
}

/// Without blanks around; control characters are refused, since one-line fields have no use for them.
fn checked_text(field: &'static str, text: &str, chars_max: usize) -> Result<String, FieldError> {
    if text.contains('\0') {
        return Err(FieldError::new(field, "nul"));
    }
    let text = text.trim();
    if text.chars().count() > chars_max {
        return Err(FieldError::new(field, "too_long"));
    }
    if text.chars().any(char::is_control) {
        return Err(FieldError::new(field, "format"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broken_field_is_named_at_once() {
        let change = ProfileChange {
            nick_name: Some("  ".into()),
            avatar_url: Some("javascript:alert(1)".into()),
            gender: Some(7),
            country: Some("中".repeat(65)),
            province: Some("a\0".into()),
            city: Some("上\n海".into()),
            mbti_type: Some("ABCD".into()),
        };
        let mut errors = change.check().unwrap_err();
        errors.sort_by_key(|error| error.field);
        let found: Vec<_> = errors.iter().map(|error| (error.field, error.rule)).collect();
        let wanted = [
            ("avatarUrl", "format"),
            ("city", "format"),
            ("country", "too_long"),
            ("gender", "format"),
            ("mbtiType", "format"),
            ("nickName", "required"),
            ("province", "nul"),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn good_fields_are_trimmed_and_normalised() {
        let change = ProfileChange {
            nick_name: Some(" 孟轲 ".into()),
            avatar_url: Some("https://example.com/a.png".into()),
            gender: Some(1),
            mbti_type: Some("enfj".into()),
            ..ProfileChange::default()
        };
        let checked = change.check().unwrap();
        assert_eq!(checked.nick_name.as_deref(), Some("孟轲"));
        assert_eq!(checked.mbti_type.as_deref(), Some("ENFJ"));
        assert_eq!(checked.gender, Some(Gender::Male));
        assert_eq!(checked.city, None);
        assert!(!checked.is_empty());
        assert!(ProfileChange::default().check().unwrap().is_empty());
    }

    #[test]
    fn an_address_that_leaves_the_page_s_scheme_open_is_refused() {
        for url in ["//evil.example/a.png", "data:text/html,x", "https://a b", "ftp://a"] {
            let change = ProfileChange { avatar_url: Some(url.into()), ..ProfileChange::default() };
            assert_eq!(change.check(), Err(vec![FieldError::new("avatarUrl", "format")]), "{url}");
        }
    }

    #[test]
    fn a_blank_name_from_a_mini_program_is_no_name() {
        let profile = WechatProfile { nick_name: Some(" ".into()), ..WechatProfile::default() };
        assert!(profile.into_change().check().unwrap().is_empty());
    }
}
