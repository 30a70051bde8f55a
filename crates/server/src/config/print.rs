//! The configuration in effect as a list of keys, with secrets masked.

use figment::value::{Dict, Value};

use super::load::SECRET_KEYS;
use super::{LoadError, Sources};

/// Every key with its value in effect, in alphabetical order, each as `section.key` and a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing(pub Vec<(String, String)>);

const MASK: &str = "***";

impl Sources {
    /// Lists what is in effect; touches neither the data directory nor any other system.
    pub fn listing(&self) -> Result<Listing, LoadError> {
        // Unknown keys and wrong types are errors here as well.
        self.load()?;
        let mut lines = Vec::new();
        collect("", &self.values()?, &mut lines);
        lines.sort();
        Ok(Listing(lines))
    }
}

impl Listing {
    /// One `key = value` a line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.0 {
            text.extend([key, " = ", value, "\n"]);
        }
        text
    }

    /// One flat object.
    pub fn json(&self) -> serde_json::Value {
        let parse = |text: &str| serde_json::from_str(text).unwrap_or(serde_json::Value::Null);
        self.0.iter().map(|(key, value)| (key.clone(), parse(value))).collect()
    }
}

fn collect(prefix: &str, values: &Dict, lines: &mut Vec<(String, String)>) {
    for (name, value) in values {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Dict(_, inner) => collect(&key, inner, lines),
            Value::String(_, text) => {
                let shown = if SECRET_KEYS.contains(&key.as_str()) { masked(text) } else { text.clone() };
                lines.push((key, serde_json::Value::from(shown).to_string()));
            }
            Value::Char(..) | Value::Bool(..) | Value::Num(..) | Value::Empty(..) | Value::Array(..) => {
                lines.push((key, serde_json::to_string(value).unwrap_or_default()));
            }
        }
    }
}

/// Nothing of a secret; of a URL all but what stands before the host and after the path.
fn masked(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let Some((scheme, rest)) = text.split_once(':') else { return MASK.to_owned() };
    if !rest.starts_with("//") {
        // `sqlite:` and `memory:` hold no password, and anything else is not ours to show.
        return if matches!(scheme, "sqlite" | "memory") { text.to_owned() } else { MASK.to_owned() };
    }
    let (place, options) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?***"));
    let shown = match place.rsplit_once('@') {
        Some((_, host)) => format!("//{MASK}@{host}"),
        None => place.to_owned(),
    };
    format!("{scheme}:{shown}{options}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_every_key_is_listed() {
        let variables = vec![
            ("JIXIA_MODEL__API_KEY".to_owned(), "sk-secret".to_owned()),
            ("JIXIA_STORE__URL".to_owned(), "postgres://u:pw@db:5432/jixia?sslpassword=x".to_owned()),
        ];
        let listing = Sources { variables, ..Sources::default() }.listing().unwrap();
        let text = listing.text();
        assert!(text.contains("model.api_key = \"***\"\n"), "{text}");
        assert!(text.contains("store.url = \"postgres://***@db:5432/jixia?***\"\n"), "{text}");
        assert!(text.contains("limits.message_chars = 1000\n"), "{text}");
        assert!(text.contains("http.cors_origins = []\n"), "{text}");
        assert!(!text.contains("sk-secret") && !text.contains("pw@"));
        assert_eq!(listing.json().get("limits.page_size"), Some(&serde_json::json!(100)));
    }

    #[test]
    fn a_url_without_a_password_is_shown() {
        assert_eq!(masked("sqlite:jixia.db"), "sqlite:jixia.db");
        assert_eq!(masked("redis://127.0.0.1:6379/0"), "redis://127.0.0.1:6379/0");
        assert_eq!(masked("c2VjcmV0"), "***");
        assert_eq!(masked("odd:secret"), "***");
        assert_eq!(masked(""), "");
    }
}
