#!/usr/bin/env bash
# Runs every test of the workspace and prints how many ran. Services that it started are stopped at the end, also
# after a failure; those of `make services-up` and those behind TEST_..._URL are left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -z "${TEST_POSTGRES_URL:-}" ] || [ -z "${TEST_REDIS_URL:-}" ]; then
  if ! scripts/services.sh alive; then
    trap 'scripts/services.sh down' EXIT
    trap 'exit 130' INT TERM
  fi
  scripts/services.sh up
  # shellcheck disable=SC1091
  source .services/env
fi

if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --locked "$@"
else
  echo '==> cargo-nextest is not installed (cargo install --locked cargo-nextest): using cargo test' >&2
  log=$(mktemp)
  status=0
  cargo test --workspace --locked --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?
  awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
    END { printf "Summary: %d passed, %d failed, %d ignored\n", passed, failed, ignored }' "$log"
  rm -f "$log"
  exit "$status"
fi
