//! An origin as a browser writes it: one that is written otherwise would never be equal to what arrives.

/// What is wrong with the origin, in words that follow it.
pub(super) fn problem_of(origin: &str) -> Option<&'static str> {
    const FORM: &str = "is no origin: write scheme://host or scheme://host:port, with nothing behind";
    if origin.contains('*') {
        return Some("is no origin: each must be written out, without *");
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return Some(FORM) };
    if !is_scheme(scheme) {
        return Some(FORM);
    }
    let (host, port) = split_port(authority);
    if host.is_empty() || !host.chars().all(is_of_host) || port.is_some_and(|port| !is_port(port)) {
        return Some(FORM);
    }
    match (scheme, port) {
        ("https", Some("443")) | ("http", Some("80")) => {
            Some("must leave out the port that belongs to its scheme, as browsers do")
        }
        _ => None,
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
}

/// An IPv6 address holds colons, and stands in brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    }
}

fn is_of_host(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || "-._[]:".contains(c)
}

fn is_port(text: &str) -> bool {
    !text.starts_with(['0', '+']) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_sends_is_an_origin() {
        for origin in [
            "https://chat.example.com",
            "http://localhost:3000",
            "http://127.0.0.1:5173",
            "http://[::1]",
            "http://[::1]:8080",
            "chrome-extension://abcdefgh",
        ] {
            assert_eq!(problem_of(origin), None, "{origin}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for origin in [
            "*",
            "null",
            "",
            "https://*.example.com",
            "https://example.com/",
            "https://example.com/chat",
            "https://Example.com",
            "HTTPS://example.com",
            "https://example.com:443",
            "http://example.com:80",
            "http://example.com:",
            "http://example.com:99999",
            "http://a@example.com",
            "https://",
            "example.com",
            "https://例.com",
        ] {
            assert!(problem_of(origin).is_some(), "{origin}");
        }
    }
}
