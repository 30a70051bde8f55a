//! The parts that commands beside `serve` work with, and nothing that listens: [`Books`] is the ledger alone and
//! needs no secrets, [`Console`] is accounts.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use auth::ports::{AccountKey, SessionStore, UserStore};
use auth::{AuthService, Email, EndReason, Standing};
use billing::BillingService;
use kernel::{Clock, Ids, UserId};
use tokio_util::sync::CancellationToken;

use super::{Bus, Foundation, Stores, billing_service, sign_in};
use crate::config::Config;
use crate::secrets::Secrets;
use crate::system::{OsEntropy, SystemClock, TrackedTasks};

/// The ledger, on the configured database.
pub struct Books {
    /// The ledger.
    pub billing: BillingService,
    stores: Stores,
}

impl Books {
    /// Connects and migrates.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let ids = Arc::new(Ids::new(Arc::clone(&clock), Arc::new(OsEntropy)));
        let stores = Stores::open(config).await?;
        let billing = billing_service(config, &clock, &ids, ids.next(), &stores)?;
        Ok(Self { billing, stores })
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.stores.close().await;
    }
}

/// Accounts, on the configured database.
pub struct Console {
    /// Accounts.
    pub auth: AuthService,
    users: Arc<dyn UserStore>,
    sessions: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    stores: Stores,
}

impl Console {
    /// Connects and migrates.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let tasks = TrackedTasks::on(tokio::runtime::Handle::current());
        let stopping = CancellationToken::new();
        let on = Foundation {
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(OsEntropy),
            lasting_tasks: tasks.lasting(stopping.clone()),
            tasks: Arc::new(tasks),
            stopping,
            metrics: Arc::new(String::new),
        };
        let secrets = Secrets::load(config, on.entropy.as_ref())?;
        let ids = Arc::new(Ids::new(Arc::clone(&on.clock), Arc::clone(&on.entropy)));
        let stores = Stores::open(config).await?;
        let bus = Bus::in_process(&on.clock);
        let auth = sign_in::service(config, &on, &ids, secrets, &stores, &bus)?;
        let (users, sessions) = (stores.users(), stores.sessions());
        Ok(Self { auth, users, sessions, clock: on.clock, stores })
    }

    /// Changes what an account (named by address or id) may do, and ends the sessions of one that may do nothing.
    pub async fn set_standing(
        &self,
        account: &str,
        change: impl FnOnce(Standing) -> Standing + Send,
    ) -> anyhow::Result<UserId> {
        let found = self.users.account(&account_key(account)?).await?;
        let user = found.with_context(|| format!("there is no account {account}"))?.user;
        let standing = change(Standing { role: user.role, disabled: user.disabled });
        if !self.users.set_standing(user.id, standing).await? {
            return Err(anyhow!("there is no account {account}"));
        }
        if standing.disabled {
            self.sessions.end_all(user.id, None, EndReason::Disabled, self.clock.now()).await?;
        }
        Ok(user.id)
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.stores.close().await;
    }
}

fn account_key(account: &str) -> anyhow::Result<AccountKey> {
    if account.contains('@') {
        let email = Email::parse(account).map_err(|_problem| anyhow!("{account} is no e-mail address"))?;
        return Ok(AccountKey::Email(email));
    }
    let id: Result<UserId, _> = account.parse();
    Ok(AccountKey::Id(id.with_context(|| format!("{account} is neither an e-mail address nor an id"))?))
}
