//! A user store that remembers profiles for five seconds.
//!
//! A profile is read far more often than it changes. Concurrent reads of one user that is not remembered share
//! one question to the store; a write through this store forgets the user before and after it. Only
//! [`UserStore::get`] is answered from memory: accounts, and with them bans, always come from the truth.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use kernel::{BoundedMap, Clock, PortError, UserId};
use thiserror::Error;

use crate::password::PasswordHash;
use crate::ports::{AccountKey, CreateOutcome, LoginTouch, NewUser, UserStore};
use crate::profile::CheckedProfile;
use crate::user::{Account, IdentityKey, SealedSecret, Standing, User};

const LIFE_MS: i64 = 5_000;

type Answer = Result<Option<User>, Arc<PortError>>;
/// One question to the store, and all who wait for its answer.
type Flight = BoxFuture<'static, Answer>;

/// A [`UserStore`] with a memory.
pub struct CachedUserStore {
    inner: Arc<dyn UserStore>,
    memory: Arc<Memory>,
}

struct Memory {
    clock: Arc<dyn Clock>,
    profiles: BoundedMap<UserId, Option<User>>,
    /// The questions on their way. Weak, so that one that nobody waits for any more is dropped.
    flights: Mutex<HashMap<UserId, (u64, WeakShared<Flight>)>>,
    numbers: AtomicU64,
}

impl CachedUserStore {
    /// Remembers about `entries_max` users, each for five seconds.
    pub fn new(inner: Arc<dyn UserStore>, clock: Arc<dyn Clock>, entries_max: usize) -> Self {
        let memory = Memory {
            clock,
            profiles: BoundedMap::new(entries_max),
            flights: Mutex::default(),
            numbers: AtomicU64::new(0),
        };
        Self { inner, memory: Arc::new(memory) }
    }

    /// The question on its way for this user, or a new one.
    fn flight(&self, id: UserId) -> Shared<Flight> {
        let mut flights = self.memory.flights();
        if let Some(flight) = flights.get(&id).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        let number = self.memory.numbers.fetch_add(1, Ordering::Relaxed);
        let registration = Registration { memory: Arc::clone(&self.memory), id, number };
        let inner = Arc::clone(&self.inner);
        let question = async move {
            let answer = inner.get(id).await;
            if let Ok(user) = &answer {
                registration.remember(user.as_ref());
            }
            answer.map_err(Arc::new)
        };
        let flight = question.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(id, (number, weak));
        }
        flight
    }
}

impl Memory {
    fn flights(&self) -> MutexGuard<'_, HashMap<UserId, (u64, WeakShared<Flight>)>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a user, and keeps questions that are on their way from being remembered.
    fn forget(&self, id: UserId) {
        let mut flights = self.flights();
        flights.remove(&id);
        self.profiles.remove(&id);
    }
}

/// A question's place in the list of flights; leaves with it, answered or not.
struct Registration {
    memory: Arc<Memory>,
    id: UserId,
    number: u64,
}

impl Registration {
    fn remember(&self, user: Option<&User>) {
        let flights = self.memory.flights();
        if flights.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            let now = self.memory.clock.now();
            self.memory.profiles.insert(self.id, user.cloned(), now.plus_millis(LIFE_MS), now);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut flights = self.memory.flights();
        if flights.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            flights.remove(&self.id);
        }
    }
}

/// The failure of a question that several waited for.
#[derive(Debug, Error)]
#[error(transparent)]
struct SharedFailure(Arc<PortError>);

fn unshared(error: Arc<PortError>) -> PortError {
    match *error {
        PortError::Unavailable { system, .. } => PortError::unavailable(system, SharedFailure(error)),
        PortError::Full { system, .. } => PortError::full(system, SharedFailure(error)),
        PortError::Corrupt { system, .. } => PortError::corrupt(system, SharedFailure(error)),
        PortError::Rejected { system, .. } => PortError::rejected(system, SharedFailure(error)),
    }
}

#[async_trait]
impl UserStore for CachedUserStore {
    async fn create(&self, new: &NewUser) -> Result<CreateOutcome, PortError> {
        self.memory.forget(new.user.id);
        let outcome = self.inner.create(new).await;
        self.memory.forget(new.user.id);
        outcome
    }

    async fn get(&self, id: UserId) -> Result<Option<User>, PortError> {
        if let Some((user, ends_at)) = self.memory.profiles.get_with_end(&id)
            && self.memory.clock.now() < ends_at
        {
            return Ok(user);
        }
        self.flight(id).await.map_err(unshared)
    }

    async fn account(&self, key: &AccountKey) -> Result<Option<Account>, PortError> {
        self.inner.account(key).await
    }

    async fn update_profile(&self, id: UserId, change: &CheckedProfile) -> Result<Option<User>, PortError> {
        self.memory.forget(id);
        let outcome = self.inner.update_profile(id, change).await;
        self.memory.forget(id);
        outcome
    }

    async fn replace_password(
        &self,
        id: UserId,
        expected: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, PortError> {
        self.inner.replace_password(id, expected, new).await
    }

    async fn record_login(&self, touch: &LoginTouch) -> Result<(), PortError> {
        self.memory.forget(touch.user_id);
        let outcome = self.inner.record_login(touch).await;
        self.memory.forget(touch.user_id);
        outcome
    }

    async fn set_standing(&self, id: UserId, standing: Standing) -> Result<bool, PortError> {
        self.memory.forget(id);
        let outcome = self.inner.set_standing(id, standing).await;
        self.memory.forget(id);
        outcome
    }

    async fn session_key(&self, key: &IdentityKey) -> Result<Option<SealedSecret>, PortError> {
        self.inner.session_key(key).await
    }
}
