//! `scripts/with-toolchain.sh`, with programs that only pretend: nothing is installed here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A machine with a home, a folder of programs, and a log of what they were asked.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        for name in ["bin", "home/.cargo/bin"] {
            fs::create_dir_all(machine.path(name)).expect("a folder");
        }
        // What the script itself needs, and no more, so that this machine's own Rust is out of sight.
        for tool in
            ["bash", "sh", "sed", "awk", "sort", "head", "printf", "dirname", "id", "cat", "chmod", "env"]
        {
            let found =
                ["/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(tool)).find(|path| path.exists());
            if let Some(found) = found {
                std::os::unix::fs::symlink(found, machine.path("bin").join(tool)).expect("a link");
            }
        }
        machine.program("bin/cc", "");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    /// A program that installs a cargo of the pinned version and notes what it was asked.
    fn installer(&self, name: &str) {
        let (log, cargo) = (self.path("log"), self.path("home/.cargo/bin/cargo"));
        let body = format!(
            "echo \"$*\" >> {log}\nprintf '#!/bin/sh\\necho cargo 9.9.9\\n' > {cargo}\nchmod +x {cargo}",
            log = log.display(),
            cargo = cargo.display()
        );
        self.program(name, &body);
    }

    fn run(&self) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/with-toolchain.sh");
        Command::new(script)
            .args(["cargo", "--version"])
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.path("home"))
            .output()
            .expect("the script runs")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_cargo_that_is_new_enough_is_used_as_it_is() {
    let machine = Machine::new();
    machine.program("bin/cargo", "echo cargo 9.9.9");
    machine.installer("bin/rustup");
    let output = machine.run();
    assert_eq!(stdout(&output), "cargo 9.9.9", "{output:?}");
    assert_eq!(machine.log(), "");
}

#[test]
fn an_old_cargo_is_replaced_through_rustup() {
    let machine = Machine::new();
    machine.program("bin/cargo", "echo cargo 1.63.0");
    machine.installer("bin/rustup");
    let output = machine.run();
    assert_eq!(stdout(&output), "cargo 9.9.9", "{output:?}");
    assert!(machine.log().starts_with("toolchain install 1."), "{}", machine.log());
    assert!(machine.log().contains("--component clippy"), "{}", machine.log());
}

#[test]
fn without_rustup_its_installer_is_fetched_and_asked_no_question() {
    let machine = Machine::new();
    let log = machine.path("log");
    let cargo = machine.path("home/.cargo/bin/cargo");
    // The fetched text is the installer, which the script pipes into a shell.
    let installer = format!(
        "echo \"$*\" >> {log}; printf '#!/bin/sh\\necho cargo 9.9.9\\n' > {cargo}; chmod +x {cargo}",
        log = log.display(),
        cargo = cargo.display()
    );
    fs::write(machine.path("installer"), installer).expect("the installer");
    machine.program("bin/curl", &format!("cat {}", machine.path("installer").display()));
    let output = machine.run();
    assert_eq!(stdout(&output), "cargo 9.9.9", "{output:?}");
    assert!(machine.log().starts_with("-y --no-modify-path"), "{}", machine.log());
}

#[test]
fn what_cannot_be_installed_is_one_command_to_run() {
    let machine = Machine::new();
    machine.program("bin/cargo", "echo cargo 9.9.9");
    fs::remove_file(machine.path("bin/cc")).expect("no compiler");
    machine.program("bin/apt-get", "exit 1");
    // Somebody who is not root, and has no sudo.
    fs::remove_file(machine.path("bin/id")).expect("the link");
    machine.program("bin/id", "echo 1000");
    let output = machine.run();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("sudo apt-get install -y gcc libc6-dev"), "{said}");
}
