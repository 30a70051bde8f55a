//! Logs and metrics.
//!
//! Logs go to stderr, so that stdout belongs to the output of commands. The metrics recorder is one for the
//! process, however many applications a test builds in it.

use std::io::IsTerminal;
use std::sync::OnceLock;

use anyhow::{Context, anyhow};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use crate::config::{Log, LogFormat};

/// Upper bounds of histograms of durations, in seconds.
const DURATION_BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

/// Starts logging. A second call in the same process is an error.
pub fn start_logs(log: &Log) -> anyhow::Result<()> {
    let filter = filter_of(&log.filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let started = if is_pretty(log.format) {
        registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).try_init()
    } else {
        let json = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(true);
        registry.with(json.with_span_list(false).with_writer(std::io::stderr)).try_init()
    };
    started.context("cannot start logging")
}

/// The process's metrics, installed at the first call.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let recorder = RECORDER.get_or_init(|| match install() {
        Ok(handle) => Some(handle),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be recorded");
            None
        }
    });
    recorder.clone().ok_or_else(|| anyhow!("metrics cannot be recorded"))
}

fn install() -> anyhow::Result<PrometheusHandle> {
    let durations = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(durations, &DURATION_BUCKETS)?;
    Ok(builder.install_recorder()?)
}

/// The filter, or what is wrong with it.
pub fn filter_of(text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::builder().parse(text).with_context(|| format!("log.filter: cannot read {text}"))
}

fn is_pretty(format: LogFormat) -> bool {
    match format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        assert!(filter_of("info,sqlx=warn").is_ok());
        assert!(filter_of("sqlx=loud").is_err());
    }
}
