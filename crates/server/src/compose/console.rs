//! The parts that commands beside `serve` work with, and nothing that listens: [`Books`] is the ledger alone and
//! needs no secrets, [`Console`] is accounts.

use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use auth::ports::{AccountKey, UserStore};
use auth::{AuthService, Email, Standing};
use billing::BillingService;
use kernel::{Clock, Ids, UserId};
use tokio_util::sync::CancellationToken;

use super::{Bus, Foundation, STATEMENT_OF_A_LOOK, Stores, billing_service, sign_in};
use crate::config::Config;
use crate::health::Check;
use crate::secrets::Secrets;
use crate::system::{OsEntropy, SystemClock, TrackedTasks};

/// The ledger, on the configured database.
pub struct Books {
    /// The ledger.
    pub billing: BillingService,
    stores: Stores,
}

impl Books {
    /// Connects to look, and refuses a schema of another version: to change it is up to `migrate`.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let ids = Arc::new(Ids::new(Arc::clone(&clock), Arc::new(OsEntropy)));
        let stores = Stores::look(config, STATEMENT_OF_A_LOOK).await?;
        if !stores.is_current().await? {
            bail!("the database's schema is older than this program: run `jixia migrate` first");
        }
        let billing = billing_service(config, &clock, &ids, ids.next(), stores.books(&ids))?;
        Ok(Self { billing, stores })
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.stores.close().await;
    }
}

/// Accounts, on the configured database and bus.
pub struct Console {
    /// Accounts.
    pub auth: AuthService,
    users: Arc<dyn UserStore>,
    bus_check: Option<Check>,
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
            gateways: None,
        };
        let secrets = Secrets::load(config, on.entropy.as_ref())?;
        let ids = Arc::new(Ids::new(Arc::clone(&on.clock), Arc::clone(&on.entropy)));
        let stores = Stores::open(config).await?;
        let bus = Bus::open(config)?;
        let auth = sign_in::service(config, &on, &ids, secrets, &stores, &bus)?;
        Ok(Self { auth, users: stores.users(), bus_check: bus.check(), stores })
    }

    /// Changes what an account (named by address or id) may do.
    pub async fn set_standing(
        &self,
        account: &str,
        change: impl FnOnce(Standing) -> Standing + Send,
    ) -> anyhow::Result<UserId> {
        let found = self.users.account(&account_key(account)?).await?;
        let user = found.with_context(|| format!("there is no account {account}"))?.user;
        let standing = change(Standing { role: user.role, disabled: user.disabled });
        self.auth.set_standing(user.id, standing).await?;
        Ok(user.id)
    }

    /// Whether running servers hear at once of what is changed here: not in a bus of their own, nor in a Redis that
    /// does not answer.
    pub async fn is_heard(&self) -> bool {
        match &self.bus_check {
            Some(check) => (check.probe)().await,
            None => false,
        }
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
