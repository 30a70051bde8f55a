//! The cache of profiles: how old it may be, who shares a question, and what a write does to one on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use auth::ports::{AccountKey, CreateOutcome, LoginTouch, NewUser, UserStore};
use auth::{
    Account, CachedUserStore, CheckedProfile, IdentityKey, PasswordHash, SealedSecret, Standing, User,
};
use futures::FutureExt;
use futures::future::join_all;
use kernel::{ManualClock, PortError, UserId};
use tests::contract::people::{START, email, ids, user};
use tokio::sync::Semaphore;

/// One user whose reads wait for leave and are counted.
struct Gated {
    user: std::sync::Mutex<User>,
    questions: AtomicU32,
    leave: Semaphore,
    is_down: bool,
}

impl Gated {
    fn present(&self) -> User {
        self.user.lock().unwrap().clone()
    }
}

fn unused<T>() -> Result<T, PortError> {
    Err(PortError::rejected("test", "not asked for here"))
}

#[async_trait]
impl UserStore for Gated {
    async fn get(&self, id: UserId) -> Result<Option<User>, PortError> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        let read = self.present();
        self.leave.acquire().await.unwrap().forget();
        if self.is_down {
            return Err(PortError::unavailable("test", "away"));
        }
        Ok(Some(read).filter(|user| user.id == id))
    }

    async fn update_profile(&self, _: UserId, change: &CheckedProfile) -> Result<Option<User>, PortError> {
        let mut user = self.user.lock().unwrap();
        change.apply_to(&mut user);
        Ok(Some(user.clone()))
    }

    async fn create(&self, _: &NewUser) -> Result<CreateOutcome, PortError> {
        unused()
    }

    async fn account(&self, _: &AccountKey) -> Result<Option<Account>, PortError> {
        unused()
    }

    async fn replace_password(
        &self,
        _: UserId,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<bool, PortError> {
        unused()
    }

    async fn record_login(&self, _: &LoginTouch) -> Result<(), PortError> {
        unused()
    }

    async fn set_standing(&self, _: UserId, _: Standing) -> Result<bool, PortError> {
        unused()
    }

    async fn session_key(&self, _: &IdentityKey) -> Result<Option<SealedSecret>, PortError> {
        unused()
    }
}

struct Story {
    store: Arc<Gated>,
    cache: CachedUserStore,
    clock: Arc<ManualClock>,
    id: UserId,
}

impl Story {
    /// `leaves` reads go through at once; later ones wait.
    fn with(leaves: usize, is_down: bool) -> Self {
        let id = ids().next();
        let store = Arc::new(Gated {
            user: std::sync::Mutex::new(user(id, Some(email("a@example.com")))),
            questions: AtomicU32::new(0),
            leave: Semaphore::new(leaves),
            is_down,
        });
        let clock = Arc::new(ManualClock::at(START));
        Self { cache: CachedUserStore::new(store.clone(), clock.clone(), 100), store, clock, id }
    }

    fn questions(&self) -> u32 {
        self.store.questions.load(Ordering::Relaxed)
    }

    async fn name(&self) -> String {
        self.cache.get(self.id).await.unwrap().unwrap().nick_name
    }

    async fn rename(&self, name: &str) {
        let change = CheckedProfile { nick_name: Some(name.to_owned()), ..CheckedProfile::default() };
        self.cache.update_profile(self.id, &change).await.unwrap();
    }
}

#[tokio::test]
async fn a_profile_is_asked_for_once_in_five_seconds() {
    let story = Story::with(10, false);
    for _ in 0..3 {
        story.name().await;
        story.clock.advance_millis(2_000);
    }
    assert_eq!(story.questions(), 1);
    story.name().await;
    assert_eq!(story.questions(), 2);
}

#[tokio::test]
async fn readers_at_once_share_one_question() {
    let story = Story::with(0, false);
    let mut readers = Box::pin(join_all((0..40).map(|_| story.name())));
    assert!((&mut readers).now_or_never().is_none());
    story.store.leave.add_permits(1);
    assert_eq!(readers.await.len(), 40);
    assert_eq!(story.questions(), 1);
}

#[tokio::test]
async fn a_write_is_not_hidden_by_a_question_that_was_on_its_way() {
    let story = Story::with(0, false);
    let mut early = Box::pin(story.name());
    assert!((&mut early).now_or_never().is_none());
    story.rename("子思").await;
    let mut late = Box::pin(story.name());
    assert!((&mut late).now_or_never().is_none(), "it asks for itself");
    story.store.leave.add_permits(2);
    assert_ne!(early.await, "子思", "what it read was true when it asked");
    assert_eq!(late.await, "子思");
    assert_eq!(story.name().await, "子思");
    assert_eq!(story.questions(), 2);
}

#[tokio::test]
async fn a_question_that_everybody_gave_up_is_asked_anew() {
    let story = Story::with(0, false);
    let mut reader = Box::pin(story.name());
    assert!((&mut reader).now_or_never().is_none());
    drop(reader);
    story.store.leave.add_permits(1);
    story.name().await;
    assert_eq!(story.questions(), 2);
}

#[tokio::test]
async fn a_failure_reaches_all_who_waited_and_is_not_remembered() {
    let story = Story::with(0, true);
    let mut readers = Box::pin(join_all((0..5).map(|_| story.cache.get(story.id))));
    assert!((&mut readers).now_or_never().is_none());
    story.store.leave.add_permits(2);
    for outcome in readers.await {
        assert!(matches!(outcome, Err(PortError::Unavailable { system: "test", .. })));
    }
    assert!(story.cache.get(story.id).await.is_err());
    assert_eq!(story.questions(), 2);
}

#[tokio::test]
async fn that_there_is_no_such_user_is_remembered_too() {
    let story = Story::with(10, false);
    let nobody = kernel::Id::from_uuid(uuid::Uuid::from_u128(1));
    for _ in 0..3 {
        assert_eq!(story.cache.get(nobody).await.unwrap(), None);
    }
    assert_eq!(story.questions(), 1);
}
