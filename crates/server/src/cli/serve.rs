//! `jixia serve`: builds the application, says where it is, and runs it until it is told to stop.

use std::io::Write;

use super::OK;
use crate::config::Config;
use crate::{Application, lifecycle, telemetry};

pub(super) fn run(config: &Config) -> anyhow::Result<u8> {
    telemetry::start_logs(&config.log)?;
    super::block_on(async {
        let stop = lifecycle::stop_on_signals()?;
        let notes = notes(config);
        let application = Application::build(config.clone()).await?;
        announce(&format!("http://{}", application.addr()), &notes);
        application.run_until_stopped(stop).await
    })?;
    Ok(OK)
}

/// What somebody who starts the server should know.
fn notes(config: &Config) -> Vec<String> {
    let dir = &config.data.dir;
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
    let mut notes = vec![format!("data in {}", dir.display())];
    if config.is_offline_model() {
        notes.push("the offline model answers from the passages found (model.url = \"offline:\")".to_owned());
    }
    if config.is_wechat_dev() {
        notes.push(
            "WeChat logins are for development: any code is an identity (wechat.app_id is not set)"
                .to_owned(),
        );
    }
    if config.is_payment_sandbox() {
        notes.push("payment is play money: a page with two buttons (payment.url = \"sandbox:\")".to_owned());
    }
    if config.http.listen.ip().is_unspecified() && config.http.trusted_proxies.is_empty() {
        notes.push(
            "behind a proxy, set http.trusted_proxies: without it all clients share one address".to_owned(),
        );
    }
    notes
}

fn announce(url: &str, notes: &[String]) {
    tracing::info!(url, "listening on {url}");
    for note in notes {
        tracing::info!("{note}");
    }
    // The one line on stdout, for people and for scripts that wait for it.
    let _ = writeln!(std::io::stdout().lock(), "Jixia is at {url}  (page: {url}/  API: {url}/docs)");
}
