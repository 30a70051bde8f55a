//! `jixia user`: making accounts, and giving and taking what they may do.

use std::io::{BufRead, IsTerminal};
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, bail};
use auth::{Registration, RequestOrigin, Role, Standing};
use clap::Subcommand;
use secrecy::SecretString;

use super::output;
use crate::compose::Console;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Make an account; the password is read from standard input.
    Create {
        /// The address to sign in with.
        email: String,
        /// The name that others see.
        #[arg(long)]
        nick_name: Option<String>,
    },
    /// Let an account administer the server.
    Promote {
        /// Its address, or its id.
        account: String,
    },
    /// Shut an account out and end its sessions.
    Disable {
        /// Its address, or its id.
        account: String,
    },
}

pub(super) fn run(config: &Config, command: UserCommand) -> anyhow::Result<u8> {
    let password = match command {
        UserCommand::Create { .. } => Some(read_password()?),
        UserCommand::Promote { .. } | UserCommand::Disable { .. } => None,
    };
    let said = super::block_on(async {
        let parts = Console::open(config).await?;
        let said = apply(&parts, command, password).await;
        parts.close().await;
        said
    })?;
    output::print(&said)
}

async fn apply(
    parts: &Console,
    command: UserCommand,
    password: Option<SecretString>,
) -> anyhow::Result<String> {
    match command {
        UserCommand::Create { email, nick_name } => {
            let password = password.context("no password")?;
            let registration = Registration { email, password, nick_name };
            let user = parts.auth.create_account(registration, &origin()).await?;
            Ok(format!("created {}", user.id))
        }
        UserCommand::Promote { account } => {
            let id = parts.set_standing(&account, |old| Standing { role: Role::Admin, ..old }).await?;
            Ok(format!("promoted {id}"))
        }
        UserCommand::Disable { account } => {
            let id = parts.set_standing(&account, |old| Standing { disabled: true, ..old }).await?;
            if !parts.is_heard().await {
                output::complain("nobody could be told: a running server notices within a minute");
            }
            Ok(format!("disabled {id}"))
        }
    }
}

/// One line of standard input. There is no prompt without a terminal.
fn read_password() -> anyhow::Result<SecretString> {
    if std::io::stdin().is_terminal() {
        output::complain("type the password and press enter (it is shown)");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("no password on standard input");
    }
    Ok(SecretString::from(password))
}

fn origin() -> RequestOrigin {
    let user_agent = Some("jixia user create".to_owned());
    RequestOrigin { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), user_agent, request_id: "cli".to_owned() }
}
