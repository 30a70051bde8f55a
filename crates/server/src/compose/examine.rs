//! A look at every part that the configuration names, one after the other, without changing any.

use std::path::Path;

use super::bus::Bus;
use super::stores::Stores;
use super::{STATEMENT_OF_A_LOOK, library, model, payment};
use crate::config::Config;
use crate::health::Check;
use crate::secrets::SecretName;
use crate::system::SystemClock;

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which part.
    pub part: &'static str,
    /// Whether the server can work with it.
    pub is_well: bool,
    /// What it is, or what is wrong with it.
    pub note: String,
}

/// Looks at every part.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let clock: std::sync::Arc<dyn kernel::Clock> = std::sync::Arc::new(SystemClock::default());
    let mut findings = vec![data(config), secrets(config), store(config).await, library_and_index().await];
    findings.push(bus(config).await);
    findings.push(match model::open(config, &clock) {
        Ok(_) if config.is_offline_model() => well("model", "the offline model".to_owned()),
        Ok(model) => answer("model", &model::check(model)).await,
        Err(error) => unwell("model", &error),
    });
    findings.push(wechat(config));
    findings.push(payments(config));
    findings
}

fn data(config: &Config) -> Finding {
    let dir = &config.data.dir;
    if !dir.exists() {
        return well("data", format!("{} does not exist yet; the first start makes it", shown(dir)));
    }
    // Only a file tells whether one can be written; it is gone at once.
    let probe = dir.join(format!(".doctor-{}", std::process::id()));
    match std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => well("data", shown(dir)),
        Err(error) => unwell("data", &anyhow::Error::new(error).context(shown(dir))),
    }
}

fn secrets(config: &Config) -> Finding {
    let configured = SecretName::ALL.iter().filter(|name| name.configured(config).is_some()).count();
    let kept = SecretName::ALL.iter().filter(|name| name.path(&config.data.dir).exists()).count();
    well("secrets", format!("{configured} of 4 configured, {kept} of 4 kept in the data directory"))
}

async fn store(config: &Config) -> Finding {
    if let Some(file) = Stores::missing_file(config) {
        return well("store", format!("{} does not exist yet; the first start makes it", file.display()));
    }
    let stores = match Stores::look(config, STATEMENT_OF_A_LOOK).await {
        Ok(stores) => stores,
        Err(error) => return unwell("store", &error),
    };
    let finding = match stores.is_current().await {
        Ok(true) => answer("store", &stores.check()).await,
        Ok(false) => well("store", "answers; the next start brings its schema up to date".to_owned()),
        Err(error) => unwell("store", &error),
    };
    stores.close().await;
    finding
}

async fn bus(config: &Config) -> Finding {
    let bus = match Bus::open(config) {
        Ok(bus) => bus,
        Err(error) => return unwell("bus", &error),
    };
    let Some(check) = bus.check() else { return well("bus", "in this process".to_owned()) };
    let finding = answer("bus", &check).await;
    match bus.refuse_unfit().await {
        Err(error) if finding.is_well => unwell("bus", &error),
        Ok(()) | Err(_) => finding,
    }
}

async fn library_and_index() -> Finding {
    match library::look().await {
        Ok(library) => well("library", format!("{} works", library.works().len())),
        Err(error) => unwell("library", &error),
    }
}

fn wechat(config: &Config) -> Finding {
    let note = if config.is_wechat_dev() {
        "not set up: any code is an identity, for development"
    } else if config.wechat.app_id.is_empty() {
        "not set up: WeChat logins are refused"
    } else {
        "set up"
    };
    well("wechat", note.to_owned())
}

/// Keys are read; nobody is asked, since every question to a provider of payment is about an order.
fn payments(config: &Config) -> Finding {
    match payment::look(config) {
        Ok(channels) if channels.is_empty() => well("payment", "not set up: nothing is sold".to_owned()),
        Ok(channels) => {
            let names: Vec<_> = channels.iter().map(|channel| channel.as_str()).collect();
            well("payment", names.join(", "))
        }
        Err(error) => unwell("payment", &error),
    }
}

async fn answer(part: &'static str, check: &Check) -> Finding {
    let is_well = (check.probe)().await;
    let note = if is_well { "answers" } else { "does not answer" };
    Finding { part, is_well, note: note.to_owned() }
}

fn well(part: &'static str, note: String) -> Finding {
    Finding { part, is_well: true, note }
}

fn unwell(part: &'static str, error: &anyhow::Error) -> Finding {
    Finding { part, is_well: false, note: format!("{error:#}") }
}

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
