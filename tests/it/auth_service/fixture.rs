//! A service on a real database, and the clock in its hand.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use adapter_crypto::{AesSealer, BcryptHasher, BcryptSettings, EddsaSigner, Key, KeyRing, TokenNames};
use adapter_memory::{MemoryRateLimiter, MemoryRevocationFeed};
use adapter_sql::{SqlLoginLog, SqlSessions, SqlStore, SqlUsers};
use async_trait::async_trait;
use auth::ports::{IdentityProvider, PasswordHasher, RevocationFeed, SALT_BYTES, Verdict};
use auth::{
    AuthError, AuthLimits, AuthParts, AuthSecret, AuthService, AuthSettings, CachedUserStore, Caller,
    PasswordHash, RefreshGrant, Registration, RequestOrigin, SignedIn, TokenPair,
};
use futures::future::BoxFuture;
use kernel::{Clock, Ids, ManualClock, PortError, SeededEntropy, Tasks};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use tests::backends::Backend;
use tests::contract::people::START;
use tokio::sync::Semaphore;

/// The password of everybody here.
pub const PASSWORD: &str = "学而时习之不亦说乎";

/// One server process.
pub struct Front {
    pub service: AuthService,
    pub clock: Arc<ManualClock>,
}

/// How a [`Front`] is built.
#[derive(Clone)]
pub struct Plan {
    pub clock: Arc<ManualClock>,
    pub feed: Arc<dyn RevocationFeed>,
    pub limits: AuthLimits,
    pub bcrypt_cost: u32,
    pub gate: Option<Arc<Gate>>,
    pub provider: Option<Arc<dyn IdentityProvider>>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            clock: Arc::new(ManualClock::at(START)),
            feed: Arc::new(MemoryRevocationFeed::new(64)),
            limits: AuthLimits::default(),
            bcrypt_cost: 4,
            gate: None,
            provider: None,
        }
    }
}

/// Where those who have given a password wait until they may go on.
pub struct Gate {
    arrived: Semaphore,
    leave: Semaphore,
}

impl Gate {
    pub fn shut() -> Arc<Self> {
        Arc::new(Self { arrived: Semaphore::new(0), leave: Semaphore::new(0) })
    }

    /// Returns when somebody's password has been compared.
    pub async fn arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    pub fn open(&self) {
        self.leave.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

/// bcrypt, with a gate behind each comparison.
struct GatedHasher {
    inner: BcryptHasher,
    gate: Arc<Gate>,
}

#[async_trait]
impl PasswordHasher for GatedHasher {
    async fn hash(&self, password: &SecretString, salt: [u8; SALT_BYTES]) -> Result<PasswordHash, PortError> {
        self.inner.hash(password, salt).await
    }

    async fn verify(
        &self,
        password: &SecretString,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, PortError> {
        let verdict = self.inner.verify(password, hash).await;
        self.gate.arrived.add_permits(1);
        self.gate.leave.acquire().await.unwrap().forget();
        verdict
    }
}

fn hasher(cost: u32, gate: Option<Arc<Gate>>) -> Arc<dyn PasswordHasher> {
    let inner = BcryptHasher::new(key(1), &BcryptSettings { cost, workers: 1, waiting_max: 100 });
    match gate {
        Some(gate) => Arc::new(GatedHasher { inner, gate }),
        None => Arc::new(inner),
    }
}

struct RuntimeTasks;

impl Tasks for RuntimeTasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        #[expect(clippy::disallowed_methods, reason = "the test's own runtime")]
        drop(tokio::spawn(task));
    }
}

fn key(byte: u8) -> Key {
    SecretBox::new(Box::new([byte; 32]))
}

impl Front {
    /// A service with the defaults.
    pub fn on(backend: &Backend) -> Self {
        Self::with(&backend.store, Plan::default())
    }

    /// A service as planned.
    pub fn with(store: &SqlStore, plan: Plan) -> Self {
        // Processes of one test share secrets and differ in randomness.
        static SEEDS: AtomicU64 = AtomicU64::new(1);
        let entropy = Arc::new(SeededEntropy::new(SEEDS.fetch_add(1, Ordering::Relaxed)));
        let names = TokenNames { issuer: "jixia".to_owned(), audience: "jixia".to_owned() };
        let clock = plan.clock;
        let users = CachedUserStore::new(Arc::new(SqlUsers::new(store.clone())), clock.clone(), 1_000);
        let parts = AuthParts {
            users: Arc::new(users),
            sessions: Arc::new(SqlSessions::new(store.clone())),
            login_log: Arc::new(SqlLoginLog::new(store.clone())),
            identity_provider: plan.provider,
            hasher: hasher(plan.bcrypt_cost, plan.gate),
            signer: Arc::new(EddsaSigner::new(KeyRing::from_seeds(&key(2), None, &[]).unwrap(), names)),
            sealer: Arc::new(AesSealer::new(&key(3), &[]).unwrap()),
            limiter: Arc::new(MemoryRateLimiter::new(10_000)),
            feed: plan.feed,
            clock: clock.clone(),
            ids: Arc::new(Ids::new(clock.clone(), entropy.clone())),
            entropy,
            tasks: Arc::new(RuntimeTasks),
        };
        let settings = AuthSettings { limits: plan.limits, ..AuthSettings::new(AuthSecret::new(key(4))) };
        Self { service: AuthService::new(parts, settings), clock }
    }

    /// A new account.
    pub async fn registered(&self, email: &str) -> SignedIn {
        self.register(email).await.expect("a new account")
    }

    pub async fn register(&self, email: &str) -> Result<SignedIn, AuthError> {
        let registration =
            Registration { email: email.to_owned(), password: PASSWORD.into(), nick_name: None };
        self.service.register(registration, &home()).await
    }

    pub async fn login(&self, email: &str, password: &str) -> Result<SignedIn, AuthError> {
        self.login_from(home(), email, password).await
    }

    pub async fn login_from(
        &self,
        origin: RequestOrigin,
        email: &str,
        password: &str,
    ) -> Result<SignedIn, AuthError> {
        self.awaited(self.service.email_login(email, password.into(), &origin)).await
    }

    pub async fn caller(&self, tokens: &TokenPair) -> Result<Caller, AuthError> {
        self.service.authenticate(tokens.token.expose_secret()).await
    }

    pub async fn refresh(&self, token: &SecretString) -> Result<TokenPair, AuthError> {
        self.service.refresh(RefreshGrant::Token(token.clone()), &home()).await
    }

    /// Runs some work, and moves the clock whenever all of it sleeps.
    pub async fn awaited<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            match tokio::time::timeout(Duration::from_millis(10), &mut work).await {
                Ok(done) => return done,
                Err(_) if self.clock.sleeper_count() > 0 => self.clock.advance_millis(50),
                Err(_) => {}
            }
        }
    }

    /// Milliseconds that the clock was moved since the story began.
    pub fn elapsed_ms(&self) -> i64 {
        self.clock.now().millis_since(START)
    }
}

/// Where everybody calls from unless said otherwise.
pub fn home() -> RequestOrigin {
    from([192, 0, 2, 1])
}

/// Some other place.
pub fn from(ip: [u8; 4]) -> RequestOrigin {
    RequestOrigin {
        ip: IpAddr::from(ip),
        user_agent: Some("tests/1".to_owned()),
        request_id: "req-1".to_owned(),
    }
}

/// The text of a refresh token, to be compared.
pub fn text(token: &SecretString) -> String {
    token.expose_secret().to_owned()
}
