//! An email address: parsed once, normalised, and compared without case.

use std::fmt;

use crate::error::FieldError;

/// Longest address that mail can carry (RFC 5321, a path of 256 less its brackets), in bytes.
const BYTES_MAX: usize = 254;
const LOCAL_BYTES_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 63;

/// An address whose surrounding blanks are gone and whose domain is in lower case.
///
/// Its `Debug` shows the domain only, so that addresses do not reach logs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Reads an address; the error names the field `email`.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        const fn refused(rule: &'static str) -> FieldError {
            FieldError::new("email", rule)
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(refused("required"));
        }
        if text.contains('\0') {
            return Err(refused("nul"));
        }
        if text.len() > BYTES_MAX {
            return Err(refused("too_long"));
        }
        let (local, domain) = text.rsplit_once('@').ok_or(refused("format"))?;
        let domain = domain.to_lowercase();
        if !is_local_part(local) || !is_domain(&domain) {
            return Err(refused("format"));
        }
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The address as its owner writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which an address is unique: all in lower case.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = self.0.rsplit_once('@').map_or("", |(_, domain)| domain);
        write!(f, "Email(…@{domain})")
    }
}

fn is_local_part(local: &str) -> bool {
    !local.is_empty()
        && local.len() <= LOCAL_BYTES_MAX
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(is_atom_char)
}

/// The characters of an unquoted local part (RFC 5322 `atext` and the dot), and letters beyond ASCII (RFC 6532).
fn is_atom_char(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
    } else {
        c.is_alphanumeric()
    }
}

fn is_domain(domain: &str) -> bool {
    domain.contains('.') && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= LABEL_BYTES_MAX
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<&'static str> {
        Email::parse(text).err().map(|error| error.rule)
    }

    #[test]
    fn blanks_around_go_and_the_domain_falls_to_lower_case() {
        let email = Email::parse("  Zeng.Zi+a@Example.COM ").unwrap();
        assert_eq!(email.as_str(), "Zeng.Zi+a@example.com");
        assert_eq!(email.key(), "zeng.zi+a@example.com");
    }

    #[test]
    fn an_address_in_chinese_is_an_address() {
        assert_eq!(rule("孔子@例子.中国"), None);
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_rule() {
        assert_eq!(rule("   "), Some("required"));
        assert_eq!(rule("a\0@b.cn"), Some("nul"));
        assert_eq!(rule(&format!("{}@b.cn", "a".repeat(250))), Some("too_long"));
        let malformed = [
            "a",
            "@b.cn",
            "a@",
            "a@b",
            "a@b..cn",
            "a@.cn",
            "a b@c.cn",
            "a@b c.cn",
            ".a@b.cn",
            "a.@b.cn",
            "a..b@c.cn",
            "a@-b.cn",
            "a@b-.cn",
            "a\n@b.cn",
            "a@b.cn>",
            "<a@b.cn",
            "a@b@c.cn",
            "\"a\"@b.cn",
        ];
        for text in malformed {
            assert_eq!(rule(text), Some("format"), "{text}");
        }
        assert_eq!(rule(&format!("{}@b.cn", "a".repeat(65))), Some("format"));
        assert_eq!(rule(&format!("a@{}.cn", "b".repeat(64))), Some("format"));
    }

    #[test]
    fn the_debug_form_hides_the_person() {
        let email = Email::parse("secret.person@example.com").unwrap();
        assert_eq!(format!("{email:?}"), "Email(…@example.com)");
    }
}
