//! What a configuration must be before anything starts: every rule here names the keys that break it.

use std::path::Path;

use billing::Calendar;
use thiserror::Error;

use super::{Alias, Billing, Config, Profile, origin};
use crate::secrets::SecretName;

/// All that is wrong with a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", problems.join("\n"))]
pub struct InvalidConfig {
    /// At least one.
    pub problems: Vec<String>,
}

const STORE_SCHEMES: [&str; 3] = ["sqlite:", "postgres://", "postgresql://"];
const BUS_SCHEMES: [&str; 2] = ["memory:", "redis://"];
const MODEL_SCHEMES: [&str; 3] = ["offline:", "https://", "http://"];
const SEARCH_SCHEMES: [&str; 1] = ["file:"];
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=31;

impl Config {
    /// Refuses sets of values that cannot work. Looks on the disk only for generated secrets.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let mut problems = Vec::new();
        self.check_schemes(&mut problems);
        self.check_bus(&mut problems);
        self.check_replicas(&mut problems);
        self.check_secrets(&mut problems);
        self.check_sizes(&mut problems);
        self.check_times(&mut problems);
        self.check_models(&mut problems);
        self.check_http(&mut problems);
        self.check_payment(&mut problems);
        if let Err(problem) = crate::telemetry::filter_of(&self.log.filter) {
            problems.push(format!("{problem:#}"));
        }
        if problems.is_empty() { Ok(()) } else { Err(InvalidConfig { problems }) }
    }

    fn check_http(&self, problems: &mut Vec<String>) {
        for text in &self.http.trusted_proxies {
            if text.parse::<api::Network>().is_err() {
                problems.push(format!("http.trusted_proxies: {text} is no address and no network"));
            }
        }
        for text in &self.http.cors_origins {
            if let Some(problem) = origin::problem_of(text) {
                problems.push(format!("http.cors_origins: {text} {problem}"));
            }
        }
        if self.is_wechat_dev() && !self.is_offline_model() && !self.http.listen.ip().is_loopback() {
            problems.push(
                "wechat.app_id is not set, so in the embedded profile every login code is a new account with the \
                 welcome credits, on an http.listen that others reach and at the cost of your model.url: set \
                 wechat.app_id and wechat.app_secret, or server.profile = \"production\" (which refuses WeChat \
                 logins), or listen on 127.0.0.1"
                    .to_owned(),
            );
        }
    }

    fn check_schemes(&self, problems: &mut Vec<String>) {
        let urls: [(&str, &str, &[&str]); 4] = [
            ("store.url", &self.store.url, &STORE_SCHEMES),
            ("bus.url", &self.bus.url, &BUS_SCHEMES),
            ("model.url", &self.model.url, &MODEL_SCHEMES),
            ("search.url", &self.search.url, &SEARCH_SCHEMES),
        ];
        for (key, url, accepted) in urls {
            if !accepted.iter().any(|scheme| url.starts_with(scheme)) {
                problems.push(format!("{key} must begin with one of: {}", accepted.join(" ")));
            }
        }
    }

    fn check_bus(&self, problems: &mut Vec<String>) {
        if self.bus.sharded && self.bus.url.starts_with("memory:") {
            problems.push("bus.sharded needs Redis: bus.url is memory".to_owned());
        }
    }

    fn check_replicas(&self, problems: &mut Vec<String>) {
        if self.server.replicas == 0 {
            problems.push("server.replicas must be at least 1".to_owned());
        }
        if self.server.replicas <= 1 {
            return;
        }
        if self.store.url.starts_with("sqlite:") {
            problems.push("server.replicas > 1 needs Postgres: store.url is sqlite".to_owned());
        }
        if self.bus.url.starts_with("memory:") {
            problems.push("server.replicas > 1 needs Redis: bus.url is memory".to_owned());
        }
        let has_own_dir = Self::embedded().is_ok_and(|default| is_same(&default.data.dir, &self.data.dir));
        if has_own_dir && SecretName::ALL.iter().any(|name| name.configured(self).is_none()) {
            problems.push(
                "server.replicas > 1 needs common secrets: set auth.signing_key, auth.refresh_secret, \
                 auth.password_pepper and auth.encryption_key, or set data.dir to a folder that all \
                 instances share"
                    .to_owned(),
            );
        }
    }

    fn check_secrets(&self, problems: &mut Vec<String>) {
        for name in SecretName::ALL {
            let is_missing = name.configured(self).is_none() && !name.path(&self.data.dir).exists();
            if is_missing && self.server.profile == Profile::Production {
                problems.push(format!(
                    "{key} is not set, and server.profile = \"production\" generates no secrets \
                     (openssl rand -base64 32 makes one)",
                    key = name.key()
                ));
            }
            if let Some(Err(problem)) = name.configured(self).map(crate::secrets::decode) {
                problems.push(format!("{key} {problem}", key = name.key()));
            }
        }
        if let Some(Err(problem)) = self.auth.next_signing_key.as_ref().map(crate::secrets::decode) {
            problems.push(format!("auth.next_signing_key {problem}"));
        }
        let lists = [
            ("auth.previous_signing_keys", &self.auth.previous_signing_keys),
            ("auth.previous_encryption_keys", &self.auth.previous_encryption_keys),
        ];
        for (key, keys) in lists {
            if let Err(problem) = crate::secrets::decode_list(keys.as_ref()) {
                problems.push(format!("{key}: each {problem}"));
            }
        }
        if !self.wechat.app_id.is_empty() && self.wechat.app_secret.is_none() {
            problems.push("wechat.app_secret is not set, but wechat.app_id is".to_owned());
        }
    }

    fn check_sizes(&self, problems: &mut Vec<String>) {
        let limits = &self.limits;
        let sizes = [
            ("limits.message_chars", limits.message_chars == 0),
            ("limits.body_bytes", limits.body_bytes == 0),
            ("limits.frame_bytes", limits.frame_bytes == 0),
            ("limits.reply_bytes", limits.reply_bytes == 0),
            ("limits.page_size", limits.page_size == 0),
            ("limits.history_size", limits.history_size == 0),
            ("limits.events_size", limits.events_size == 0),
            ("limits.sweep_rows", limits.sweep_rows == 0),
            ("store.sqlite_readers", self.store.sqlite_readers == 0),
            ("store.postgres_readers", self.store.postgres_readers == 0),
            ("store.postgres_writers", self.store.postgres_writers == 0),
            ("bus.connections_max", self.bus.connections_max == 0),
        ];
        for (key, _) in sizes.iter().filter(|(_, is_zero)| *is_zero) {
            problems.push(format!("{key} must be at least 1"));
        }
        if self.billing.welcome_credits < 0 {
            problems.push("billing.welcome_credits must not be negative".to_owned());
        }
        if self.billing.daily_credits < 0 || self.billing.daily_spend_max < 0 {
            problems.push("billing.daily_credits and daily_spend_max must not be negative".to_owned());
        }
        let Billing { holidays, workdays, peak_hours, .. } = &self.billing;
        if let Err(error) = Calendar::new(holidays, workdays, peak_hours) {
            problems.push(format!("billing.holidays, workdays or peak_hours: {error}"));
        }
    }

    fn check_times(&self, problems: &mut Vec<String>) {
        let times = [
            ("store.acquire_ms", self.store.acquire_ms),
            ("store.statement_ms", self.store.statement_ms),
            ("bus.command_ms", self.bus.command_ms),
            ("wechat.timeout_ms", self.wechat.timeout_ms),
            ("model.connect_seconds", self.model.connect_seconds),
            ("model.first_content_seconds", self.model.first_content_seconds),
            ("model.idle_seconds", self.model.idle_seconds),
            ("model.queue_seconds", self.model.queue_seconds),
            ("model.total_seconds", self.model.total_seconds),
            ("auth.access_seconds", self.auth.access_seconds),
            ("auth.wechat_access_seconds", self.auth.wechat_access_seconds),
            ("auth.idle_seconds", self.auth.idle_seconds),
            ("auth.family_seconds", self.auth.family_seconds),
            ("auth.login_log_seconds", self.auth.login_log_seconds),
            ("limits.sweep_seconds", self.limits.sweep_seconds),
        ];
        for (key, _) in times.iter().filter(|(_, value)| *value == 0) {
            problems.push(format!("{key} must be at least 1"));
        }
        if !BCRYPT_COSTS.contains(&self.auth.bcrypt_cost) {
            problems.push("auth.bcrypt_cost must be from 4 to 31".to_owned());
        }
    }

    fn check_models(&self, problems: &mut Vec<String>) {
        if !self.model.aliases.contains_key(&self.model.default_alias) {
            problems.push(format!("model.default_alias: there is no alias {}", self.model.default_alias));
        }
        for (name, alias) in &self.model.aliases {
            if let Some(problem) = problem_of(alias) {
                problems.push(format!("model.aliases.{name}: {problem}"));
            }
        }
    }
}

/// Whether two paths name one place, as far as their texts tell: `./data` is `data`.
fn is_same(one: &Path, other: &Path) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute(one) == absolute(other)
}

fn problem_of(alias: &Alias) -> Option<&'static str> {
    if alias.name.is_empty() {
        return Some("name must not be empty");
    }
    if alias.output_tokens_max == 0 || alias.output_tokens_max >= alias.context_tokens {
        return Some("output_tokens_max must be at least 1 and less than context_tokens");
    }
    if alias.miss < 0 || alias.hit < 0 || alias.output < 0 {
        return Some("prices must not be negative");
    }
    if alias.peak_percent == 0 {
        return Some("peak_percent must be at least 1");
    }
    if alias.hit > alias.miss {
        return Some("hit must not cost more than miss");
    }
    None
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn problems(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::embedded().unwrap();
        change(&mut config);
        config.check().err().map_or_else(Vec::new, |invalid| invalid.problems)
    }

    #[test]
    fn the_embedded_profile_is_sound() {
        assert_eq!(problems(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn an_unknown_scheme_lists_the_accepted_ones() {
        let found = problems(|config| config.store.url = "mysql://x".to_owned());
        assert_eq!(found, ["store.url must begin with one of: sqlite: postgres:// postgresql://"]);
    }

    #[test]
    fn a_proxy_that_is_no_network_is_named() {
        let found =
            problems(|config| config.http.trusted_proxies = vec!["10.0.0.0/8".into(), "proxy".into()]);
        assert_eq!(found, ["http.trusted_proxies: proxy is no address and no network"]);
    }

    #[test]
    fn a_key_that_is_no_key_is_named_whichever_it_is() {
        let bad = || Some(SecretString::from("short"));
        let found = problems(|config| {
            config.auth.next_signing_key = bad();
            config.auth.previous_signing_keys = bad();
            config.auth.previous_encryption_keys = bad();
        });
        assert_eq!(
            found,
            [
                "auth.next_signing_key must be 32 bytes in base64",
                "auth.previous_signing_keys: each must be 32 bytes in base64",
                "auth.previous_encryption_keys: each must be 32 bytes in base64",
            ]
        );
    }

    #[test]
    fn an_origin_and_a_log_filter_that_cannot_be_read_are_named() {
        let found = problems(|config| {
            config.http.cors_origins = vec!["https://chat.example.com".into(), "*".into()];
            config.log.filter = "sqlx=loud".to_owned();
        });
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("http.cors_origins: * "), "{found:?}");
        assert!(found[1].starts_with("log.filter: "), "{found:?}");
    }

    #[test]
    fn free_credit_for_everybody_is_refused() {
        let found = |listen: &str, model: &str, profile| {
            problems(|config| {
                config.http.listen = listen.parse().unwrap();
                config.model.url = model.to_owned();
                config.server.profile = profile;
            })
            .iter()
            .any(|problem| problem.starts_with("wechat.app_id is not set"))
        };
        let model = "https://api.deepseek.com/v1";
        assert!(found("0.0.0.0:8000", model, Profile::Embedded));
        assert!(!found("127.0.0.1:8000", model, Profile::Embedded));
        assert!(!found("[::1]:8000", model, Profile::Embedded));
        assert!(!found("0.0.0.0:8000", "offline:", Profile::Embedded));
        assert!(!found("0.0.0.0:8000", model, Profile::Production));
    }

    #[test]
    fn one_folder_may_be_written_in_several_ways() {
        let is_own = |dir: &str| is_same(Path::new("data"), Path::new(dir));
        assert!(is_own("./data") && is_own("data/") && !is_own("/data") && !is_own("data2"));
    }

    #[test]
    fn negative_amounts_and_days_that_are_none_are_refused() {
        let negative = "billing.daily_credits and daily_spend_max must not be negative";
        assert_eq!(problems(|config| config.billing.daily_credits = -1), [negative]);
        assert_eq!(problems(|config| config.billing.daily_spend_max = -1), [negative]);
        let found = problems(|config| config.billing.holidays = vec!["2026-02-30".to_owned()]);
        assert!(matches!(found.as_slice(), [only] if only.contains("2026-02-30")), "{found:?}");
    }

    #[test]
    fn a_default_alias_must_exist() {
        let found = problems(|config| config.model.default_alias = "gone".to_owned());
        assert_eq!(found, ["model.default_alias: there is no alias gone"]);
    }
}
