//! A Postgres and a Redis of a run's own, which may be stopped, paused and emptied.
//!
//! The programs are those that `scripts/services.sh` uses. Postgres refuses to run as root, so it then runs as
//! another user.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

/// A Redis that keeps nothing on disk: stopped and started again, it is empty.
pub struct PrivateRedis {
    port: u16,
    child: Option<Child>,
    folder: TempDir,
}

/// A Postgres with a database for the run.
pub struct PrivatePostgres {
    port: u16,
    programs: PathBuf,
    folder: TempDir,
}

const DATABASE: &str = "chaos";
const USER: &str = "jixia";

impl PrivateRedis {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut redis = Self { port: free_port(), child: None, folder };
        redis.restart();
        redis
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Ends it at once; what it knew is lost.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port, empty.
    pub fn restart(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server starts"));
        until_listening(self.port);
    }

    /// Forgets everything, without a break.
    pub fn flush(&self) {
        let mut redis =
            redis::Client::open(self.url()).and_then(|client| client.get_connection()).expect("Redis");
        redis::cmd("FLUSHALL").exec(&mut redis).expect("FLUSHALL");
    }

    /// Stops it where it stands; its connections stay open.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        if let Some(child) = &self.child {
            run(Command::new("kill").args([signal, &child.id().to_string()]));
        }
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        // A paused one hears nothing else.
        self.stop();
    }
}

impl PrivatePostgres {
    /// Starts one on a free port, with an empty database.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("jixia-chaos.").tempdir().expect("a folder");
        let postgres = Self { port: free_port(), programs: programs(), folder };
        if is_root() {
            run(Command::new("chown").arg(owner()).arg(postgres.folder.path()));
        }
        let data = postgres.data();
        let options = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
        run(postgres.program("initdb").arg("-D").arg(&data).args(options));
        postgres.begin();
        let port = postgres.port.to_string();
        run(postgres.program("createdb").args(["-h", "127.0.0.1", "-p", &port, "-U", USER, DATABASE]));
        postgres
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{DATABASE}", self.port)
    }

    /// A fast shutdown: it ends every session and every transaction that has not committed.
    pub fn stop(&self) {
        run(self.control().args(["-m", "fast", "-w", "stop"]));
    }

    /// Starts it again on the same data and port.
    pub fn begin(&self) {
        // Synchronous commit stays on: an acknowledged message must outlive the restart.
        let options = format!("-p {} -h 127.0.0.1 -k '' -c fsync=off -c max_connections=200", self.port);
        let log = self.folder.path().join("log");
        run(self.control().arg("-l").arg(log).args(["-w", "-t", "60", "-o", &options, "start"]));
    }

    fn control(&self) -> Command {
        let mut command = self.program("pg_ctl");
        command.arg("-D").arg(self.data());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", owner(), "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir("/");
        command
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        let _ = self.control().args(["-m", "immediate", "-w", "stop"]).output();
    }
}

/// Runs a program to its end. Its output goes to a file or nowhere: a server that it leaves behind would hold a pipe.
fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn is_root() -> bool {
    said(Command::new("id").arg("-u")) == "0"
}

fn owner() -> &'static str {
    let has_own = Command::new("id").arg("postgres").output().is_ok_and(|output| output.status.success());
    if has_own { "postgres" } else { "nobody" }
}

fn said(command: &mut Command) -> String {
    let Output { stdout, .. } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    String::from_utf8_lossy(&stdout).trim().to_owned()
}

/// The folder of the newest Postgres programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let mut found: Vec<PathBuf> = folders.filter(|folder| folder.join("initdb").exists()).collect();
    found.sort();
    if let Some(newest) = found.pop() {
        return newest;
    }
    let path = said(Command::new("which").arg("initdb"));
    Path::new(&path).parent().map(Path::to_owned).expect("Postgres's initdb: `make services-up` installs it")
}

fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
    probe.local_addr().expect("an address").port()
}

fn until_listening(port: u16) {
    for _ in 0..500 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("nothing listens on port {port}");
}
