//! The command line: what can be asked, and the code that the process ends with.

mod doctor;
mod healthcheck;
mod ledger;
mod migrate;
mod output;
mod payment;
mod serve;
mod settings;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Sources};

/// Everything is well.
const OK: u8 = 0;
/// The work failed, or what was looked at is not in order.
const FAILED: u8 = 1;
/// The command line or the configuration is wrong; nothing was tried.
const USAGE: u8 = 2;

/// The version and, where the build was told it, the commit.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| match option_env!("JIXIA_COMMIT") {
        Some(commit) if !commit.is_empty() => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
        Some(_) | None => env!("CARGO_PKG_VERSION").to_owned(),
    });
    &VERSION
}

/// The server behind AI chat rooms; with no file and no key it serves on 127.0.0.1:8000.
#[derive(Debug, Parser)]
#[command(name = "jixia", version = version())]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Where the configuration comes from, beside the environment (JIXIA_SECTION__KEY).
#[derive(Debug, Args)]
struct Settings {
    /// A file with the keys that differ from the defaults.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// http.listen
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// data.dir
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Any key, for example --set limits.message_chars=2000; may be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT (the default).
    Serve,
    /// Bring the database's schema up to date.
    Migrate,
    /// Try each part that the configuration names, and say how it is.
    Doctor(Form),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the ledger.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Look at orders and payments.
    #[command(subcommand)]
    Payment(PaymentCommand),
    /// People's accounts.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Print the OpenAPI document.
    Openapi,
    /// Succeed if the server at http.listen is ready.
    Healthcheck,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Refuse what cannot work.
    Check,
    /// Print every key with its value in effect, secrets masked.
    Print(Form),
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Add the whole ledger up; fails if a sum is off.
    Check(Form),
}

#[derive(Debug, Subcommand)]
enum PaymentCommand {
    /// Compare orders, books and providers; fails if anything differs.
    Reconcile {
        /// Deliver what is paid at the provider and not here.
        #[arg(long)]
        deliver: bool,
        #[command(flatten)]
        form: Form,
    },
}

/// How the answer looks.
#[derive(Debug, Clone, Copy, Args)]
pub struct Form {
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Reads the command line of this process and does what it says.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing fails only where nobody reads.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { OK });
        }
    };
    ExitCode::from(cli.run())
}

impl Cli {
    fn run(self) -> u8 {
        let sources = self.settings.sources();
        match self.command.unwrap_or(Command::Serve) {
            Command::Openapi => {
                output::outcome(output::print(&String::from_utf8_lossy(&api::openapi::document().json)))
            }
            Command::Config(ConfigCommand::Print(form)) => settings::print_all(&sources, form),
            Command::Config(ConfigCommand::Check) => settings::check(&sources),
            Command::Serve => with_config(&sources, serve::run),
            Command::Migrate => with_config(&sources, migrate::run),
            Command::Doctor(form) => with_config(&sources, |config| doctor::run(config, form)),
            Command::Ledger(LedgerCommand::Check(form)) => {
                with_config(&sources, |config| ledger::check(config, form))
            }
            Command::Payment(PaymentCommand::Reconcile { deliver, form }) => {
                with_config(&sources, |config| payment::reconcile(config, deliver, form))
            }
            Command::User(command) => with_config(&sources, |config| user::run(config, command)),
            Command::Healthcheck => with_config(&sources, healthcheck::run),
        }
    }
}

impl Settings {
    fn sources(self) -> Sources {
        let mut flags = self.set;
        flags.extend(self.listen.map(|listen| ("http.listen".to_owned(), listen)));
        flags.extend(self.data_dir.map(|dir| ("data.dir".to_owned(), dir)));
        Sources::of_process(self.config, flags)
    }
}

/// Does the work with a sound configuration, or says what is wrong with it.
fn with_config(sources: &Sources, work: impl FnOnce(&Config) -> anyhow::Result<u8>) -> u8 {
    let config = match settings::sound(sources) {
        Ok(config) => config,
        Err(problem) => {
            output::complain(&problem);
            return USAGE;
        }
    };
    output::outcome(work(&config))
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Runs a command's work on a runtime of its own.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
