//! Passwords through bcrypt, behind a keyed hash and a queue.
//!
//! bcrypt stops reading at 72 bytes, which is 24 Chinese characters; therefore it gets the base64 of
//! HMAC-SHA-256(pepper, password): 44 bytes that depend on every character. The pepper also makes a stolen
//! table worthless without it, and keeps hashes of other services from being tried here. Losing the pepper makes
//! every password unverifiable: it belongs in the backup of secrets. Hashes of plain bcrypt (`$2b$…`, from a
//! service before this one) verify as that service made them, and are answered as outdated so that they are
//! made anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use auth::PasswordHash;
use auth::ports::{PasswordHasher, SALT_BYTES, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bcrypt::{BcryptError, Version};
use hmac::{Hmac, Mac};
use kernel::PortError;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::Key;

const SYSTEM: &str = "password hasher";
/// Marks hashes of this form; plain bcrypt follows.
const FORM: &str = "p1";
/// A well-formed salt and hash that belong to no password: the dummy for accounts that do not exist.
const DUMMY_TAIL: &str = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWa";

/// How hashing behaves.
pub struct BcryptSettings {
    /// log2 of the rounds: 4 to 31.
    pub cost: u32,
    /// Hashes made at the same time.
    pub workers: usize,
    /// Callers that may wait for their turn.
    pub waiting_max: usize,
}

impl BcryptSettings {
    /// One core less than there are, so that a storm of sign-ins leaves one to everybody else; a queue of 32 for
    /// each worker.
    pub fn for_this_machine(cost: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = cores.saturating_sub(1).max(1);
        Self { cost, workers, waiting_max: workers.saturating_mul(32) }
    }
}

/// bcrypt on the blocking pool.
pub struct BcryptHasher {
    pepper: Arc<Key>,
    cost: u32,
    dummy: PasswordHash,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl BcryptHasher {
    /// A hasher with this pepper.
    pub fn new(pepper: Key, settings: &BcryptSettings) -> Self {
        let BcryptSettings { cost, workers, waiting_max } = *settings;
        Self {
            pepper: Arc::new(pepper),
            cost,
            dummy: PasswordHash::new(format!("{FORM}$2b${cost:02}${DUMMY_TAIL}")),
            turns: Arc::new(Semaphore::new(workers.max(1))),
            waiting: AtomicUsize::new(0),
            waiting_max,
        }
    }

    /// Runs slow work when its turn comes, or says at once that too many wait.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, BcryptError> + Send + 'static,
    ) -> Result<T, PortError> {
        let turn = if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            turn
        } else {
            let _place = self.place()?;
            let turn = Arc::clone(&self.turns).acquire_owned().await;
            turn.map_err(|error| PortError::unavailable(SYSTEM, error))?
        };
        // The turn goes with the work: a caller that hangs up does not free it early.
        let task = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(turn);
            outcome
        });
        match task.await {
            Ok(outcome) => outcome.map_err(|error| PortError::rejected(SYSTEM, error)),
            Err(error) => Err(PortError::unavailable(SYSTEM, error)),
        }
    }

    fn place(&self) -> Result<Place<'_>, PortError> {
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.waiting_max {
            return Err(PortError::unavailable(SYSTEM, "too many passwords wait to be hashed"));
        }
        Ok(place)
    }
}

/// A place in the queue, free again when it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl PasswordHasher for BcryptHasher {
    async fn hash(&self, password: &SecretString, salt: [u8; SALT_BYTES]) -> Result<PasswordHash, PortError> {
        let (pepper, password, cost) = (Arc::clone(&self.pepper), password.clone(), self.cost);
        self.in_turn(move || {
            let hash = bcrypt::non_truncating_hash_with_salt(peppered(&pepper, &password), cost, salt)?;
            Ok(PasswordHash::new(format!("{FORM}{}", hash.format_for_version(Version::TwoB))))
        })
        .await
    }

    async fn verify(
        &self,
        password: &SecretString,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, PortError> {
        let is_dummy = hash.is_none();
        let hash = hash.unwrap_or(&self.dummy).clone();
        let is_current = cost_of(&hash) == Some(self.cost) && hash.as_str().starts_with(FORM);
        let (pepper, password) = (Arc::clone(&self.pepper), password.clone());
        let matches = self
            .in_turn(move || match hash.as_str().strip_prefix(FORM) {
                Some(own) => bcrypt::non_truncating_verify(peppered(&pepper, &password), own),
                None => bcrypt::verify(password.expose_secret(), hash.as_str()),
            })
            .await?;
        Ok(match (matches && !is_dummy, is_current) {
            (true, true) => Verdict::Match,
            (true, false) => Verdict::MatchOutdated,
            (false, _) => Verdict::Mismatch,
        })
    }
}

/// What bcrypt hashes: 44 bytes that depend on every character of the password.
fn peppered(pepper: &Key, password: &SecretString) -> Zeroizing<String> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(pepper.expose_secret()) {
        *to = *from;
    }
    let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block);
    mac.update(password.expose_secret().as_bytes());
    Zeroizing::new(STANDARD.encode(mac.finalize().into_bytes()))
}

fn cost_of(hash: &PasswordHash) -> Option<u32> {
    hash.as_str().split('$').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretBox;

    use super::*;

    fn hasher(pepper: u8, cost: u32) -> BcryptHasher {
        let settings = BcryptSettings { cost, workers: 1, waiting_max: 4 };
        BcryptHasher::new(SecretBox::new(Box::new([pepper; 32])), &settings)
    }

    fn password(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[tokio::test]
    async fn another_pepper_knows_no_password() {
        let hash = hasher(1, 4).hash(&password("学而时习之不亦说乎"), [9; SALT_BYTES]).await.unwrap();
        let verdict = hasher(2, 4).verify(&password("学而时习之不亦说乎"), Some(&hash)).await.unwrap();
        assert_eq!(verdict, Verdict::Mismatch);
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_or_of_plain_bcrypt_is_outdated() {
        let text = password("correct horse");
        let cheap = hasher(1, 4).hash(&text, [9; SALT_BYTES]).await.unwrap();
        assert_eq!(hasher(1, 5).verify(&text, Some(&cheap)).await.unwrap(), Verdict::MatchOutdated);
        let legacy = PasswordHash::new(bcrypt::hash("correct horse", 4).unwrap());
        assert_eq!(hasher(1, 4).verify(&text, Some(&legacy)).await.unwrap(), Verdict::MatchOutdated);
        let wrong = hasher(1, 4).verify(&password("wrong horse"), Some(&legacy)).await.unwrap();
        assert_eq!(wrong, Verdict::Mismatch);
    }

    #[test]
    fn the_dummy_has_the_cost_of_a_real_hash() {
        for cost in [4, 12] {
            assert_eq!(cost_of(&hasher(1, cost).dummy), Some(cost));
        }
    }

    #[tokio::test]
    async fn a_hash_that_is_none_is_an_error_and_no_match() {
        let broken = PasswordHash::new("p1$2b$xx$broken".to_owned());
        assert!(hasher(1, 4).verify(&password("x"), Some(&broken)).await.is_err());
    }
}
