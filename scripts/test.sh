#!/usr/bin/env bash
# Runs every test of the workspace and prints how many ran. Services that it started are stopped at the end, also
# after a failure; those of `make services-up` and those behind TEST_..._URL are left alone.
# Arguments go to cargo nextest run (or, without it, to cargo test).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '==> %s\n' "$*" >&2; }

# Tests that kill servers, cut connections or fill every core, by parts of their names: without nextest, which knows
# from .config/nextest.toml, they run one at a time.
alone=(crash sigkill storm disconnect chaos_on)

# Two runs in one checkout would share the services, and the first one to end would delete them. Everything started
# below gets no copy of descriptor 9, so that the lock ends with this script whatever outlives it.
if command -v flock >/dev/null 2>&1; then
  exec 9<"scripts/test.sh"
  if ! flock --nonblock 9; then
    say 'another make test runs in this checkout; waiting for its end'
    flock 9
  fi
else
  exec 9</dev/null
  say 'flock is not installed: do not start a second make test in this checkout'
fi

if [ -z "${TEST_POSTGRES_URL:-}" ] || [ -z "${TEST_REDIS_URL:-}" ]; then
  if ! scripts/services.sh alive 9<&-; then
    trap 'scripts/services.sh down 9<&-' EXIT
    trap 'exit 130' INT TERM
  fi
  scripts/services.sh up 9<&-
  # shellcheck disable=SC1091
  source .services/env
fi

# Signatures of payment against implementations that are not ours; where Python is missing, that is said and no more.
# Only a whole run includes it.
interop() {
  local status=0
  scripts/payment-interop.sh "${CARGO_TARGET_DIR:-target}/debug/payment_peer" 9<&- || status=$?
  [ "$status" -eq 77 ] || return "$status"
}

has_nextest() { cargo nextest --version >/dev/null 2>&1 9<&-; }

# Neither cargo nor git below it may ask for anything.
install_nextest() {
  say 'installing cargo-nextest (once; it takes some minutes)'
  GIT_TERMINAL_PROMPT=0 cargo install --locked cargo-nextest >&2 </dev/null 9<&-
}

if has_nextest || { install_nextest && has_nextest; }; then
  cargo nextest run --workspace --locked "$@" 9<&-
  [ "$#" -gt 0 ] || interop
  exit
fi

say 'cargo-nextest cannot be installed here: using cargo test. Tests that need the machine to themselves'
say "(${alone[*]}) run one at a time after the others, and no test is ended when it takes too long."
log=$(mktemp)
status=0
run() { cargo test --workspace --locked --no-fail-fast "$@" 2>&1 9<&- | tee -a "$log" 9<&- || status=$?; }
if [ "$#" -gt 0 ]; then
  run "$@"
else
  skipped=()
  for part in "${alone[@]}"; do skipped+=(--skip "$part"); done
  run -- "${skipped[@]}"
  run --tests -- --test-threads=1 "${alone[@]}"
fi
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
  END { printf "Summary: %d passed, %d failed, %d ignored\n", passed, failed, ignored }' "$log"
rm -f "$log"
[ "$#" -gt 0 ] || interop || status=$?
exit "$status"
