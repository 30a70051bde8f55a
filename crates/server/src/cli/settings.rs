//! `jixia config`: the configuration as it is read, without touching any other system.

use super::output::{complain, outcome, print};
use super::{Form, USAGE};
use crate::config::{Config, Sources};

/// A configuration that can be read and can work, or what is wrong with it.
pub(super) fn sound(sources: &Sources) -> Result<Config, String> {
    let config = sources.load().map_err(|error| described(&error))?;
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}

/// `config check`
pub(super) fn check(sources: &Sources) -> u8 {
    match sound(sources) {
        Ok(_) => outcome(print("the configuration is sound")),
        Err(problem) => {
            complain(&problem);
            USAGE
        }
    }
}

/// `config print`
pub(super) fn print_all(sources: &Sources, form: Form) -> u8 {
    match sources.listing() {
        Ok(listing) if form.json => outcome(print(&listing.json().to_string())),
        Ok(listing) => outcome(print(&listing.text())),
        Err(error) => {
            complain(&described(&error));
            USAGE
        }
    }
}

fn described(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) if !error.to_string().contains(&cause.to_string()) => format!("{error}: {cause}"),
        Some(_) | None => error.to_string(),
    }
}
