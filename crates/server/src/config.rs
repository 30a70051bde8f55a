//! The configuration: one struct, filled from four layers and checked before anything starts.
//!
//! `config/default.toml` is the reference: it names and explains every key, and is compiled in as the embedded
//! profile. Here stand the types; `load` merges the layers, `check` refuses what cannot work, `print` shows
//! the result. Nothing else in the workspace reads the environment.

mod billing;
mod check;
mod limits;
mod load;
mod origin;
mod payment;
mod print;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

pub use billing::Billing;
pub use check::InvalidConfig;
pub use limits::Limits;
pub use load::{LoadError, Sources};
pub use payment::{Payment, VirtualEnv};
pub use print::Listing;

/// The whole configuration. Its sections and keys are those of `config/default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What this deployment is.
    pub server: Server,
    /// The listener.
    pub http: Http,
    /// Files.
    pub data: Data,
    /// Logs.
    pub log: Log,
    /// The database.
    pub store: Store,
    /// The bus.
    pub bus: Bus,
    /// The language model.
    pub model: Model,
    /// The search index.
    pub search: Search,
    /// Logins and tokens.
    pub auth: Auth,
    /// The WeChat server API.
    pub wechat: Wechat,
    /// The ledger.
    pub billing: Billing,
    /// Who takes the money.
    pub payment: Payment,
    /// Labels of generated content.
    pub compliance: Compliance,
    /// Rates, counts, sizes and times.
    pub limits: Limits,
}

/// Whether what is missing is generated or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Runs with nothing set up.
    Embedded,
    /// Every secret is set by the operator.
    Production,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Embedded or production.
    pub profile: Profile,
    /// Instances that share store and bus.
    pub replicas: u32,
    /// Seconds.
    pub stop_seconds: u32,
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Addresses or networks in CIDR notation.
    pub trusted_proxies: Vec<String>,
    /// Origins.
    pub cors_origins: Vec<String>,
    /// Threads; 0 is one for each core.
    pub workers: usize,
}

/// `[data]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Relative to the working directory.
    pub dir: PathBuf,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Directives of `tracing_subscriber::EnvFilter`.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `sqlite:FILE` or `postgres://…`; may hold a password.
    pub url: String,
    /// Connections.
    pub sqlite_readers: u32,
    /// Connections.
    pub postgres_readers: u32,
    /// Connections.
    pub postgres_writers: u32,
    /// Milliseconds.
    pub acquire_ms: u32,
    /// Milliseconds.
    pub statement_ms: u32,
}

/// `[bus]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// `memory:` or `redis://…`; may hold a password.
    pub url: String,
    /// What keys and channels begin with.
    pub prefix: String,
    /// Whether frames go by sharded channels.
    pub sharded: bool,
    /// Connections.
    pub connections_max: u32,
    /// Milliseconds.
    pub command_ms: u32,
}

/// `[model]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// `offline:` or the base of an OpenAI-compatible API.
    pub url: String,
    /// Bearer token of that API.
    #[serde(deserialize_with = "optional")]
    pub api_key: Option<SecretString>,
    /// The alias meant by `default` and by silence.
    pub default_alias: String,
    /// How the asker's tag is sent.
    pub user_field: UserField,
    /// Attempts after the first.
    pub retries_max: u32,
    /// Seconds.
    pub connect_seconds: u32,
    /// Seconds.
    pub first_content_seconds: u32,
    /// Seconds.
    pub idle_seconds: u32,
    /// Seconds.
    pub queue_seconds: u32,
    /// Seconds.
    pub total_seconds: u32,
    /// What clients may ask for, by name.
    pub aliases: BTreeMap<String, Alias>,
}

/// `[model.aliases.NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The provider's name.
    pub name: String,
    /// Tokens of prompt and answer together.
    pub context_tokens: u32,
    /// Tokens of the answer, reasoning included.
    pub output_tokens_max: u32,
    /// Credits per million prompt tokens that missed the cache.
    pub miss: i64,
    /// Credits per million prompt tokens that hit it.
    pub hit: i64,
    /// Credits per million tokens of the answer.
    pub output: i64,
    /// What these prices are at peak hours, in percent of themselves.
    #[serde(default = "whole_percent")]
    pub peak_percent: u32,
    /// Whether the model reasons first.
    #[serde(default)]
    pub thinking: Thinking,
}

const fn whole_percent() -> u32 {
    100
}

/// What an endpoint is told about reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// Nothing: the provider's default.
    #[default]
    Provider,
    /// To reason.
    On,
    /// Not to reason.
    Off,
}

/// The body field that carries the asker's tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserField {
    /// Told by the host.
    Auto,
    /// DeepSeek's.
    UserId,
    /// OpenAI's.
    User,
    /// No field.
    None,
}

/// `[search]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// `file:FOLDER`.
    pub url: String,
}

/// `[auth]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Seconds.
    pub access_seconds: u32,
    /// Seconds.
    pub wechat_access_seconds: u32,
    /// Seconds.
    pub idle_seconds: u32,
    /// Seconds.
    pub family_seconds: u32,
    /// Seconds.
    pub login_log_seconds: u32,
    /// 4 to 31.
    pub bcrypt_cost: u32,
    /// Threads; 0 is one less than there are cores.
    pub hash_threads: usize,
    /// The tokens' `iss`.
    pub issuer: String,
    /// The tokens' `aud`.
    pub audience: String,
    /// 32 bytes in base64.
    #[serde(deserialize_with = "optional")]
    pub signing_key: Option<SecretString>,
    /// 32 bytes in base64.
    #[serde(deserialize_with = "optional")]
    pub next_signing_key: Option<SecretString>,
    /// Comma-separated, each 32 bytes in base64.
    #[serde(deserialize_with = "optional")]
    pub previous_signing_keys: Option<SecretString>,
    /// 32 bytes in base64.
    #[serde(deserialize_with = "optional")]
    pub refresh_secret: Option<SecretString>,
    /// 32 bytes in base64.
    #[serde(deserialize_with = "optional")]
    pub password_pepper: Option<SecretString>,
    /// 32 bytes in base64.
    #[serde(deserialize_with = "optional")]
    pub encryption_key: Option<SecretString>,
    /// Comma-separated, each 32 bytes in base64.
    #[serde(deserialize_with = "optional")]
    pub previous_encryption_keys: Option<SecretString>,
}

/// `[wechat]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wechat {
    /// Empty where WeChat is not set up.
    pub app_id: String,
    /// The mini-program's secret.
    #[serde(deserialize_with = "optional")]
    pub app_secret: Option<SecretString>,
    /// Without a path.
    pub base_url: String,
    /// Milliseconds.
    pub timeout_ms: u32,
}

/// `[compliance]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compliance {
    /// Who generates.
    pub producer: String,
}

impl Config {
    /// The embedded profile as compiled in, with no other layer.
    pub fn embedded() -> Result<Self, LoadError> {
        Sources::default().load()
    }

    /// A path that may be relative to the data directory.
    pub fn in_data_dir(&self, path: &str) -> PathBuf {
        self.data.dir.join(Path::new(path))
    }

    /// Whether WeChat logins get an identity made up from the code.
    pub fn is_wechat_dev(&self) -> bool {
        self.wechat.app_id.is_empty() && self.server.profile == Profile::Embedded
    }

    /// Whether no model endpoint is configured.
    pub fn is_offline_model(&self) -> bool {
        self.model.url.starts_with("offline:")
    }
}

fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| SecretString::from(text)))
}
