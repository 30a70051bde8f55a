//! The server's own secrets: taken from the configuration, or generated once into the data directory.
//!
//! A file is created under another name with mode 0600 and then linked to its name, which fails if another
//! instance was first: so each secret is made once, is whole whenever it is seen, and is read by all.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::Entropy;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox, SecretString};

use crate::config::{Config, Profile};

/// Bytes of every secret.
pub const SECRET_BYTES: usize = 32;

/// A secret as adapters take it.
pub type SecretBytes = SecretBox<[u8; SECRET_BYTES]>;

/// Which secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretName {
    /// Signs access tokens: an Ed25519 seed.
    SigningKey,
    /// Makes refresh tokens.
    RefreshSecret,
    /// Goes into password hashes.
    PasswordPepper,
    /// Encrypts what providers entrust to us.
    EncryptionKey,
}

impl SecretName {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::SigningKey, Self::RefreshSecret, Self::PasswordPepper, Self::EncryptionKey];

    /// The key in the configuration.
    pub const fn key(self) -> &'static str {
        match self {
            Self::SigningKey => "auth.signing_key",
            Self::RefreshSecret => "auth.refresh_secret",
            Self::PasswordPepper => "auth.password_pepper",
            Self::EncryptionKey => "auth.encryption_key",
        }
    }

    /// Where it is kept when it is generated.
    pub fn path(self, data_dir: &Path) -> PathBuf {
        let name = match self {
            Self::SigningKey => "signing_key",
            Self::RefreshSecret => "refresh_secret",
            Self::PasswordPepper => "password_pepper",
            Self::EncryptionKey => "encryption_key",
        };
        data_dir.join("secrets").join(name)
    }

    /// The configured value.
    pub fn configured(self, config: &Config) -> Option<&SecretString> {
        match self {
            Self::SigningKey => config.auth.signing_key.as_ref(),
            Self::RefreshSecret => config.auth.refresh_secret.as_ref(),
            Self::PasswordPepper => config.auth.password_pepper.as_ref(),
            Self::EncryptionKey => config.auth.encryption_key.as_ref(),
        }
    }
}

/// All secrets, ready for the adapters.
pub struct Secrets {
    /// Signs access tokens.
    pub signing_key: SecretBytes,
    /// Will sign next; accepted already.
    pub next_signing_key: Option<SecretBytes>,
    /// Signed before; still accepted.
    pub previous_signing_keys: Vec<SecretBytes>,
    /// Makes refresh tokens.
    pub refresh_secret: SecretBytes,
    /// Goes into password hashes.
    pub password_pepper: SecretBytes,
    /// Encrypts what providers entrust to us.
    pub encryption_key: SecretBytes,
    /// Encrypted before; what they encrypted still opens.
    pub previous_encryption_keys: Vec<SecretBytes>,
}

impl Secrets {
    /// Takes each from the configuration, else from its file, else makes the file where the profile allows it.
    pub fn load(config: &Config, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let one = |name| load_one(name, config, entropy);
        Ok(Self {
            signing_key: one(SecretName::SigningKey)?,
            next_signing_key: config.auth.next_signing_key.as_ref().map(required_decode).transpose()?,
            previous_signing_keys: list(config.auth.previous_signing_keys.as_ref())?,
            refresh_secret: one(SecretName::RefreshSecret)?,
            password_pepper: one(SecretName::PasswordPepper)?,
            encryption_key: one(SecretName::EncryptionKey)?,
            previous_encryption_keys: list(config.auth.previous_encryption_keys.as_ref())?,
        })
    }
}

/// The bytes of a configured secret, or what is wrong with it.
pub fn decode(text: &SecretString) -> Result<SecretBytes, &'static str> {
    const WRONG: &str = "must be 32 bytes in base64";
    let bytes = Zeroizing::new(STANDARD.decode(text.expose_secret().trim()).map_err(|_not_base64| WRONG)?);
    let bytes: [u8; SECRET_BYTES] = bytes.as_slice().try_into().map_err(|_other_length| WRONG)?;
    Ok(SecretBox::new(Box::new(bytes)))
}

fn required_decode(text: &SecretString) -> anyhow::Result<SecretBytes> {
    decode(text).map_err(|problem| anyhow!("a next or previous key in [auth] {problem}"))
}

fn list(keys: Option<&SecretString>) -> anyhow::Result<Vec<SecretBytes>> {
    let Some(keys) = keys else { return Ok(Vec::new()) };
    let keys = keys.expose_secret().split(',').filter(|key| !key.trim().is_empty());
    keys.map(|key| required_decode(&SecretString::from(key))).collect()
}

fn load_one(name: SecretName, config: &Config, entropy: &dyn Entropy) -> anyhow::Result<SecretBytes> {
    if let Some(text) = name.configured(config) {
        return decode(text).map_err(|problem| anyhow!("{} {problem}", name.key()));
    }
    let path = name.path(&config.data.dir);
    if !path.exists() {
        if config.server.profile == Profile::Production {
            return Err(anyhow!("{} is not set and {} does not exist", name.key(), path.display()));
        }
        create(&path, entropy).with_context(|| format!("cannot create {}", path.display()))?;
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    decode(&SecretString::from(text)).map_err(|problem| anyhow!("{} {problem}", path.display()))
}

fn create(path: &Path, entropy: &dyn Entropy) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    create_private_dir(folder)?;
    let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
    entropy.fill(bytes.as_mut());
    let mut suffix = [0_u8; 8];
    entropy.fill(&mut suffix);
    let draft = path.with_extension(format!("{:016x}", u64::from_le_bytes(suffix)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(STANDARD.encode(bytes.as_slice()).as_bytes())?;
    file.sync_all()?;
    // Linking refuses a name that exists, as O_EXCL does, and shows the file only when it is whole.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A folder, and those above it, that only this user can open.
pub fn create_private_dir(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use kernel::SeededEntropy;

    use super::*;

    fn config_in(dir: &Path) -> Config {
        let mut config = Config::embedded().unwrap();
        config.data.dir = dir.to_owned();
        config
    }

    #[test]
    fn a_generated_secret_is_private_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let config = config_in(dir.path());
        let first = Secrets::load(&config, &SeededEntropy::new(1)).unwrap();
        let second = Secrets::load(&config, &SeededEntropy::new(2)).unwrap();
        assert_eq!(first.signing_key.expose_secret(), second.signing_key.expose_secret());
        assert_ne!(first.signing_key.expose_secret(), first.refresh_secret.expose_secret());
        for name in SecretName::ALL {
            let mode = fs::metadata(name.path(dir.path())).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(dir.path().join("secrets")).unwrap().count(), 4);
    }

    #[test]
    fn many_instances_at_once_agree_on_one_secret() {
        let dir = tempfile::tempdir().unwrap();
        let config = config_in(dir.path());
        let keys: Vec<[u8; SECRET_BYTES]> = std::thread::scope(|scope| {
            let run = |seed| {
                let config = &config;
                scope.spawn(move || Secrets::load(config, &SeededEntropy::new(seed)).unwrap())
            };
            let threads: Vec<_> = (0..8).map(run).collect();
            threads.into_iter().map(|t| *t.join().unwrap().signing_key.expose_secret()).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn production_generates_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config_in(dir.path());
        config.server.profile = Profile::Production;
        let error = Secrets::load(&config, &SeededEntropy::new(1)).err().unwrap();
        assert!(error.to_string().starts_with("auth.signing_key is not set"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_configured_secret_must_be_32_bytes() {
        assert!(decode(&SecretString::from("short")).is_err());
        assert!(decode(&SecretString::from(STANDARD.encode([7_u8; SECRET_BYTES]))).is_ok());
    }
}
