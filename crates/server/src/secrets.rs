//! The server's own secrets: taken from the configuration, or generated once into the data directory.
//!
//! A file is created under another name with mode 0600 and then linked to its name, which fails if another
//! instance was first: so each secret is made once, is whole whenever it is seen, and is read by all.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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
            next_signing_key: config
                .auth
                .next_signing_key
                .as_ref()
                .map(decode)
                .transpose()
                .map_err(in_auth)?,
            previous_signing_keys: decode_list(config.auth.previous_signing_keys.as_ref())
                .map_err(in_auth)?,
            refresh_secret: one(SecretName::RefreshSecret)?,
            password_pepper: one(SecretName::PasswordPepper)?,
            encryption_key: one(SecretName::EncryptionKey)?,
            previous_encryption_keys: decode_list(config.auth.previous_encryption_keys.as_ref())
                .map_err(in_auth)?,
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

/// The bytes of secrets that are separated by commas, or what is wrong with one of them.
pub fn decode_list(keys: Option<&SecretString>) -> Result<Vec<SecretBytes>, &'static str> {
    let Some(keys) = keys else { return Ok(Vec::new()) };
    let keys = keys.expose_secret().split(',').filter(|key| !key.trim().is_empty());
    keys.map(|key| decode(&SecretString::from(key))).collect()
}

fn in_auth(problem: &str) -> anyhow::Error {
    anyhow!("a next or previous key in [auth] {problem}")
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
    let text = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
    // Linking refuses a name that exists, as O_EXCL does, and shows the file only when it is whole.
    let linked = write_draft(&draft, text.as_bytes()).and_then(|()| fs::hard_link(&draft, path));
    // A draft that could not be written may not exist; one that stays is private and never read.
    let _ = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // What is signed or encrypted from here on must be readable after a power cut, so the name must last as well.
    sync_dir(folder)
}

fn write_draft(draft: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text)?;
    file.sync_all()
}

/// A folder, and those above it, that only this user can open; those that are made outlast a power cut.
pub fn create_private_dir(path: &Path) -> std::io::Result<()> {
    // An empty path is the parent of a relative one: the working directory.
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(path);
    create_private_dir(parent)?;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists || !path.is_dir() => Err(error),
        Ok(()) | Err(_) => sync_dir(parent),
    }
}

/// Makes the names in a folder last.
fn sync_dir(folder: &Path) -> std::io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::File::open(folder)?.sync_all()
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
    fn a_folder_and_those_above_it_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("one/two");
        create_private_dir(&inner).unwrap();
        create_private_dir(&inner).unwrap();
        for made in [dir.path().join("one"), inner] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
        }
        fs::write(dir.path().join("file"), b"").unwrap();
        assert!(create_private_dir(&dir.path().join("file")).is_err());
    }

    #[test]
    fn a_draft_that_cannot_become_the_secret_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        // A draft's name is the secret's with a suffix; a name at the limit of the file system has no room for one.
        let path = dir.path().join("x".repeat(255));
        assert!(create(&path, &SeededEntropy::new(1)).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
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
