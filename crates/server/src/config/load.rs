//! The layers of the configuration: compiled-in defaults, a file, the environment, flags.
//!
//! A text from the environment becomes the type that the default of its key has, so that a key of digits stays a
//! text and a typing error in a name is found before anything starts.

use std::path::{Path, PathBuf};

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Provider};
use thiserror::Error;

use super::Config;

/// The defaults, compiled in.
const DEFAULTS: &str = include_str!("../../../../config/default.toml");

const PREFIX: &str = "JIXIA_";
const ALIASES: &str = "model.aliases";
const FILE_SUFFIX: &str = "_file";

/// Keys whose values are not shown, and may be given as the name of a file.
pub(super) const SECRET_KEYS: [&str; 18] = [
    "store.url",
    "bus.url",
    "model.api_key",
    "auth.signing_key",
    "auth.next_signing_key",
    "auth.previous_signing_keys",
    "auth.refresh_secret",
    "auth.password_pepper",
    "auth.encryption_key",
    "auth.previous_encryption_keys",
    "wechat.app_secret",
    "payment.virtual.app_key",
    "payment.virtual.push_token",
    "payment.virtual.push_aes_key",
    "payment.pay.private_key",
    "payment.pay.api_v3_key",
    // No secrets, but nobody writes PEM into a variable.
    "payment.pay.public_key",
    "payment.pay.platform_certificates",
];

/// Why the configuration cannot be read.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file that was named is not there or cannot be read.
    #[error("cannot read {path}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A variable or flag names no key.
    #[error("unknown setting {name}: there is no key {key}")]
    UnknownKey {
        /// As it was written.
        name: String,
        /// What it would be in the file.
        key: String,
    },
    /// A variable or flag does not fit the key's type.
    #[error("{name} must be {wanted}")]
    WrongType {
        /// As it was written.
        name: String,
        /// In words.
        wanted: &'static str,
    },
    /// A secret is given both as a value and as a file.
    #[error("{name} and {name}_FILE are both set")]
    Twice {
        /// The variable.
        name: String,
    },
    /// The file has unknown keys or wrong types.
    #[error("{0}")]
    Invalid(#[source] Box<figment::Error>),
}

/// Where values come from, the strongest last.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file of `--config`.
    pub file: Option<PathBuf>,
    /// Environment variables; those without `JIXIA_` and `__` are left out.
    pub variables: Vec<(String, String)>,
    /// Flags, as key and value.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// A file and flags, with the environment of this process.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, variables, flags }
    }

    /// Merges the layers. The result is not checked yet.
    pub fn load(&self) -> Result<Config, LoadError> {
        self.merge()?.extract().map_err(|error| LoadError::Invalid(Box::new(error)))
    }

    /// All keys and values in effect.
    pub(super) fn values(&self) -> Result<Dict, LoadError> {
        let figment = self.merge()?;
        figment.extract::<Dict>().map_err(|error| LoadError::Invalid(Box::new(error)))
    }

    fn merge(&self) -> Result<Figment, LoadError> {
        let defaults = Figment::from(Toml::string(DEFAULTS));
        let mut merged = defaults.clone();
        if let Some(path) = &self.file {
            merged = merged.merge(file_layer(path)?);
        }
        let known = defaults.extract::<Value>().map_err(|error| LoadError::Invalid(Box::new(error)))?;
        for (key, value) in self.environment(&known)? {
            merged = merged.merge(Serialized::default(&key, value));
        }
        for (key, text) in &self.flags {
            let value = typed(&known, key, key, text)?;
            merged = merged.merge(Serialized::default(key, value));
        }
        Ok(merged)
    }

    fn environment(&self, known: &Value) -> Result<Vec<(String, Value)>, LoadError> {
        let mut values = Vec::new();
        for (name, text) in &self.variables {
            let Some(key) = key_of(name) else { continue };
            if let Some(secret) = secret_of_file(&key) {
                let plain = name.strip_suffix("_FILE").unwrap_or(name);
                if self.variables.iter().any(|(other, _)| other == plain) {
                    return Err(LoadError::Twice { name: plain.to_owned() });
                }
                values.push((secret, Value::from(read_secret(Path::new(text))?)));
                continue;
            }
            let value = typed(known, name, &key, text)?;
            values.push((key, value));
        }
        Ok(values)
    }
}

fn file_layer(path: &Path) -> Result<impl Provider + use<>, LoadError> {
    // Figment takes a missing file for an empty one; a file that was asked for must be there.
    std::fs::metadata(path).map_err(|cause| LoadError::File { path: path.to_owned(), cause })?;
    Ok(Toml::file_exact(path))
}

/// `JIXIA_HTTP__LISTEN` is `http.listen`; anything else without two underscores is none of ours.
fn key_of(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    rest.contains("__").then(|| rest.to_ascii_lowercase().replace("__", "."))
}

fn secret_of_file(key: &str) -> Option<String> {
    let plain = key.strip_suffix(FILE_SUFFIX)?;
    SECRET_KEYS.contains(&plain).then(|| plain.to_owned())
}

fn read_secret(path: &Path) -> Result<String, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|cause| LoadError::File { path: path.to_owned(), cause })?;
    Ok(text.trim_end().to_owned())
}

/// The text as the type that the key's default has.
fn typed(known: &Value, name: &str, key: &str, text: &str) -> Result<Value, LoadError> {
    let wrong = |wanted| LoadError::WrongType { name: name.to_owned(), wanted };
    if key == ALIASES {
        let aliases: Dict = serde_json::from_str(text).map_err(|_not_json| wrong("a JSON object"))?;
        return Ok(Value::from(aliases));
    }
    match known.find_ref(key) {
        Some(Value::String(..) | Value::Char(..)) => Ok(Value::from(text.to_owned())),
        Some(Value::Bool(..)) => text.parse().map(bool_value).map_err(|_other| wrong("true or false")),
        Some(Value::Num(..)) => {
            text.parse::<i64>().map(Value::from).map_err(|_other| wrong("a whole number"))
        }
        Some(Value::Array(..)) => Ok(Value::from(list(text))),
        Some(Value::Dict(..) | Value::Empty(..)) | None => {
            Err(LoadError::UnknownKey { name: name.to_owned(), key: key.to_owned() })
        }
    }
}

fn bool_value(value: bool) -> Value {
    Value::from(value)
}

fn list(text: &str) -> Vec<Value> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| Value::from(item.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Config, LoadError> {
        let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Sources { variables, ..Sources::default() }.load()
    }

    #[test]
    fn the_compiled_in_defaults_are_complete() {
        let config = Config::embedded().unwrap();
        assert_eq!(config.http.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.limits.message_chars, 1_000);
        assert!(config.model.aliases.contains_key("deepseek-v4-pro"));
        assert!(config.model.api_key.is_none());
    }

    #[test]
    fn a_variable_takes_the_type_of_its_key() {
        let config = with(&[
            ("JIXIA_MODEL__API_KEY", "12345"),
            ("JIXIA_SERVER__REPLICAS", "3"),
            ("JIXIA_HTTP__TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8"),
        ])
        .unwrap();
        assert_eq!(config.model.api_key.unwrap().expose_secret(), "12345");
        assert_eq!(config.server.replicas, 3);
        assert_eq!(config.http.trusted_proxies, ["127.0.0.1", "10.0.0.0/8"]);
    }

    #[test]
    fn an_unknown_variable_is_named() {
        let error = with(&[("JIXIA_HTTP__LISTENN", "x")]).unwrap_err();
        assert!(error.to_string().contains("JIXIA_HTTP__LISTENN"), "{error}");
        let error = with(&[("JIXIA_HTTP__LISTEN_FILE", "x")]).unwrap_err();
        assert!(error.to_string().contains("JIXIA_HTTP__LISTEN_FILE"), "{error}");
    }

    #[test]
    fn a_name_without_two_underscores_is_none_of_ours() {
        assert!(with(&[("JIXIA_HOME", "/x"), ("PATH", "/bin")]).is_ok());
    }

    #[test]
    fn a_wrong_number_is_named() {
        let error = with(&[("JIXIA_SERVER__REPLICAS", "many")]).unwrap_err();
        assert_eq!(error.to_string(), "JIXIA_SERVER__REPLICAS must be a whole number");
    }

    #[test]
    fn aliases_are_added_as_json() {
        let json =
            r#"{"mine":{"name":"m","context_tokens":10,"output_tokens_max":5,"miss":1,"hit":1,"output":1}}"#;
        let config = with(&[("JIXIA_MODEL__ALIASES", json)]).unwrap();
        assert_eq!(config.model.aliases.len(), 3);
        assert_eq!(config.model.aliases.get("mine").unwrap().thinking, crate::config::Thinking::Provider);
    }
}
