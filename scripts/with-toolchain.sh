#!/usr/bin/env bash
# Runs a command with the pinned Rust toolchain in PATH, after putting in place what is missing:
#   - Rust, through rustup, where there is no cargo or cargo is older than rust-toolchain.toml says;
#   - a C compiler, on Debian and Ubuntu where this user may install packages.
# Asks nothing. Where it may not install, it prints the one command to run and stops with exit code 1.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pin=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' "$root/rust-toolchain.toml")
cargo_home=${CARGO_HOME:-$HOME/.cargo}

say() { printf '==> %s\n' "$*" >&2; }
stop() { printf 'error: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# Whether version $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

cargo_is_new_enough() {
  has cargo || return 1
  local version
  version=$(cd "$root" && cargo --version 2>/dev/null | awk '{print $2; exit}') || return 1
  [ -n "$version" ] && at_least "${version%%-*}" "$pin"
}

# Prints what makes a root shell of the following words; fails where there is no way without a question.
as_root() {
  if [ "$(id -u)" = 0 ]; then return 0; fi
  has sudo && sudo -n true 2>/dev/null && printf 'sudo -n '
}

install_packages() {
  local prefix
  if has apt-get && prefix=$(as_root); then
    say "installing $*"
    # shellcheck disable=SC2086
    ${prefix}env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq update >&2
    # shellcheck disable=SC2086
    ${prefix}env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq -y \
      --no-install-recommends install "$@" >&2
  elif has apt-get; then
    stop "something is missing; run this and try again:  sudo apt-get install -y $*"
  else
    stop "something is missing; install these with your package manager and try again:  $*"
  fi
}

install_rust() {
  if has rustup; then
    say "installing Rust $pin with rustup"
    rustup toolchain install "$pin" --profile minimal --component rustfmt --component clippy >&2
  else
    has curl || install_packages curl ca-certificates
    say "installing rustup and Rust $pin into $cargo_home"
    curl --proto '=https' --tlsv1.2 -fsSL https://sh.rustup.rs \
      | sh -s -- -y --no-modify-path --profile minimal --default-toolchain "$pin" -c rustfmt -c clippy >&2
  fi
}

if ! cargo_is_new_enough; then
  # An older cargo of the distribution may stand before the one of rustup.
  PATH="$cargo_home/bin:$PATH"
  export PATH
  hash -r
  cargo_is_new_enough || install_rust
  hash -r
  cargo_is_new_enough || stop "cargo is still older than $pin after the installation"
fi
has cc || has gcc || has clang || install_packages gcc libc6-dev

[ "$#" -eq 0 ] || exec "$@"
