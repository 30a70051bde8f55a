//! The language of a request, from `Accept-Language`.

use actix_web::http::header::HeaderMap;

/// The languages that messages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Simplified Chinese, where nothing else is asked for.
    #[default]
    Chinese,
    /// English.
    English,
}

impl Language {
    /// The language that a request's headers prefer.
    pub fn of(headers: &HeaderMap) -> Self {
        headers
            .get(actix_web::http::header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .map_or(Self::Chinese, Self::preferred)
    }

    /// The best of ours in a header such as `en-GB,en;q=0.9,zh;q=0.8`; the first of equals, Chinese if none is.
    pub fn preferred(header: &str) -> Self {
        let mut best = (0, Self::Chinese);
        for range in header.split(',').take(RANGES_MAX) {
            let (tag, weight) = weighted(range);
            let Some(language) = Self::of_tag(tag) else { continue };
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// One of two texts.
    pub const fn choose(self, chinese: &'static str, english: &'static str) -> &'static str {
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("zh") {
            Some(Self::Chinese)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Self::English)
        } else {
            None
        }
    }
}

const RANGES_MAX: usize = 16;

/// A language range and its quality in thousandths.
fn weighted(range: &str) -> (&str, u32) {
    let mut parts = range.split(';');
    let tag = parts.next().unwrap_or_default().trim();
    let quality = parts.find_map(|part| part.trim().strip_prefix("q="));
    (tag, quality.map_or(1_000, thousandths))
}

fn thousandths(quality: &str) -> u32 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let digits: u32 = fraction.chars().chain("000".chars()).take(3).try_fold(0, digit).unwrap_or(0);
    let whole = if whole == "1" { 1_000 } else { 0 };
    (whole + digits).min(1_000)
}

fn digit(sum: u32, digit: char) -> Option<u32> {
    digit.to_digit(10).map(|value| sum * 10 + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_what_nobody_asked_for() {
        for header in ["", "*", "fr-FR", "de;q=0.9, fr", ";;;,,,q=", "en;q=0"] {
            assert_eq!(Language::preferred(header), Language::Chinese, "{header}");
        }
    }

    #[test]
    fn the_highest_quality_wins_and_the_first_of_equals() {
        assert_eq!(Language::preferred("en-GB,en;q=0.9,zh;q=0.8"), Language::English);
        assert_eq!(Language::preferred("en;q=0.7,zh-CN;q=0.75"), Language::Chinese);
        assert_eq!(Language::preferred("zh,en"), Language::Chinese);
        assert_eq!(Language::preferred("EN"), Language::English);
    }
}
