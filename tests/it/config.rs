//! The configuration as an operator meets it: layers, refusals, and that nothing is undocumented.

use std::fs;
use std::path::Path;

use server::config::{Config, Sources};

const DEFAULTS: &str = include_str!("../../config/default.toml");

fn sources(variables: &[(&str, &str)]) -> Sources {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Sources { variables: variables.iter().map(pair).collect(), ..Sources::default() }
}

fn problems(variables: &[(&str, &str)]) -> String {
    let config = sources(variables).load().expect("the layers can be read");
    config.check().map_or_else(|invalid| invalid.to_string(), |()| String::new())
}

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file in a temporary folder");
    path
}

const POSTGRES: (&str, &str) = ("JIXIA_STORE__URL", "postgres://127.0.0.1/x");
const REDIS: (&str, &str) = ("JIXIA_BUS__URL", "redis://127.0.0.1/");
const THREE: (&str, &str) = ("JIXIA_SERVER__REPLICAS", "3");
const SHARED: (&str, &str) = ("JIXIA_DATA__DIR", "/srv/jixia");
const PRODUCTION: (&str, &str) = ("JIXIA_SERVER__PROFILE", "production");

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = write(
        folder.path(),
        "own.toml",
        "[limits]\npage_size = 7\nmessage_chars = 8\nlikes_per_minute = 9\n",
    );
    let mut layers = sources(&[("JIXIA_LIMITS__PAGE_SIZE", "70"), ("JIXIA_LIMITS__MESSAGE_CHARS", "80")]);
    layers.file = Some(file);
    layers.flags = vec![("limits.page_size".to_owned(), "700".to_owned())];
    let limits = layers.load().expect("the layers can be read").limits;
    assert_eq!(
        (limits.page_size, limits.message_chars, limits.likes_per_minute, limits.messages_per_minute),
        (700, 80, 9, 30)
    );
}

#[test]
fn an_unknown_key_in_a_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (text, name) in [("[limits]\npage_sise = 7\n", "page_sise"), ("[limit]\npage_size = 7\n", "limit")] {
        let file = Some(write(folder.path(), "own.toml", text));
        let error = Sources { file, ..Sources::default() }.load().expect_err("an unknown key");
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_it() {
    let file = Some("/nowhere/own.toml".into());
    let error = Sources { file, ..Sources::default() }.load().expect_err("no such file");
    assert!(error.to_string().contains("/nowhere/own.toml"), "{error}");
}

#[test]
fn a_secret_may_be_given_as_a_file_but_not_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = write(folder.path(), "key", "sk-of-the-file\n");
    let path = file.to_str().expect("a plain path");
    let listing = sources(&[("JIXIA_MODEL__API_KEY_FILE", path)]).listing().expect("a listing").text();
    assert!(listing.contains("model.api_key = \"***\""), "{listing}");
    let both = sources(&[("JIXIA_MODEL__API_KEY_FILE", path), ("JIXIA_MODEL__API_KEY", "x")]);
    let error = both.load().expect_err("both are set");
    assert_eq!(error.to_string(), "JIXIA_MODEL__API_KEY and JIXIA_MODEL__API_KEY_FILE are both set");
}

#[test]
fn more_than_one_replica_needs_postgres_redis_and_common_secrets() {
    assert!(problems(&[THREE, REDIS, SHARED]).contains("needs Postgres"));
    assert!(problems(&[THREE, POSTGRES, SHARED]).contains("needs Redis"));
    assert!(problems(&[THREE, POSTGRES, REDIS]).contains("needs common secrets"));
    assert_eq!(problems(&[THREE, POSTGRES, REDIS, SHARED]), "");
    let secret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let configured = [
        ("JIXIA_AUTH__SIGNING_KEY", secret),
        ("JIXIA_AUTH__REFRESH_SECRET", secret),
        ("JIXIA_AUTH__PASSWORD_PEPPER", secret),
        ("JIXIA_AUTH__ENCRYPTION_KEY", secret),
    ];
    assert_eq!(problems(&[&[THREE, POSTGRES, REDIS][..], &configured[..]].concat()), "");
}

#[test]
fn sharded_channels_need_redis() {
    let sharded = ("JIXIA_BUS__SHARDED", "true");
    assert!(problems(&[sharded]).contains("bus.sharded needs Redis"));
    assert_eq!(problems(&[sharded, REDIS]), "");
}

#[test]
fn production_names_each_secret_that_is_missing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = ("JIXIA_DATA__DIR", folder.path().to_str().expect("a plain path"));
    let found = problems(&[PRODUCTION, dir]);
    for key in ["auth.signing_key", "auth.refresh_secret", "auth.password_pepper", "auth.encryption_key"] {
        assert!(found.contains(&format!("{key} is not set")), "{found}");
    }
}

#[test]
fn a_size_of_zero_is_refused_and_a_rate_of_zero_is_no_limit() {
    for key in ["MESSAGE_CHARS", "BODY_BYTES", "FRAME_BYTES", "REPLY_BYTES", "PAGE_SIZE", "HISTORY_SIZE"] {
        let found = problems(&[(&format!("JIXIA_LIMITS__{key}"), "0")]);
        assert_eq!(found, format!("limits.{} must be at least 1", key.to_lowercase()));
    }
    for key in ["MESSAGES_PER_MINUTE", "STREAMS_PER_USER", "RECALL_SECONDS", "ROOM_ONLINE"] {
        assert_eq!(problems(&[(&format!("JIXIA_LIMITS__{key}"), "0")]), "");
    }
}

#[test]
fn the_production_file_holds_known_keys_only() {
    let file = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/production.toml"));
    let config: Config = Sources { file, ..Sources::default() }.load().expect("production.toml");
    assert!(config.store.url.starts_with("postgres://") && config.bus.url.starts_with("redis://"));
}

#[test]
fn every_key_is_explained_where_it_stands() {
    let mut is_explained = false;
    for line in DEFAULTS.lines() {
        // A comment explains the keys that follow it up to the next empty line.
        match line.chars().next() {
            None => is_explained = false,
            Some('#') => is_explained = true,
            Some('[') => is_explained |= line.starts_with("[model.aliases."),
            Some(_) => assert!(is_explained || line.starts_with("base_url"), "no comment above: {line}"),
        }
    }
}
