#!/usr/bin/env bash
# Private Postgres and Redis for the tests, on free loopback ports, in directories of their own.
#   services.sh up     starts those whose TEST_..._URL is not set, and writes .services/env
#   services.sh down   stops what it started and deletes its data
#   services.sh alive  succeeds where an earlier `up` left services that still run
# Uses Debian's packages and installs them where this user may. Postgres never runs as root.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=$root/.services
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)

say() { printf '==> %s\n' "$*" >&2; }
stop() { printf 'error: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

free_port() {
  local port
  for _ in $(seq 200); do
    # Below the range that the system hands out by itself.
    port=$((20000 + RANDOM % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  stop 'no free port found'
}

# Debian starts a service when it is installed; this machine's owner asked for private ones only.
install_packages() {
  local sudo=() policy=/usr/sbin/policy-rc.d
  if [ "$(id -u)" != 0 ]; then
    has sudo && sudo -n true 2>/dev/null && sudo=(sudo -n)
  fi
  if ! has apt-get || { [ "$(id -u)" != 0 ] && [ "${#sudo[@]}" = 0 ]; }; then
    stop "$* not found, and this user may not install packages. Run
         sudo apt-get install -y $*
       or set TEST_POSTGRES_URL and TEST_REDIS_URL to servers of yours, then try again."
  fi
  say "installing $*"
  "${sudo[@]}" "${apt[@]}" update >&2
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
    "${sudo[@]}" chmod 755 "$policy"
    # shellcheck disable=SC2064
    trap "${sudo[*]} rm -f $policy" EXIT
  fi
  "${sudo[@]}" "${apt[@]}" -y --no-install-recommends install "$@" >&2
}

# The directory of the newest Postgres programs, or nothing.
postgres_bin() {
  local newest
  newest=$(ls -d /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
  [ -n "$newest" ] || newest=$(command -v initdb || true)
  [ -z "$newest" ] || dirname "$newest"
}

# Runs a Postgres program; as another user where this one is root.
as_postgres() {
  if [ "$(id -u)" != 0 ]; then "$@"; else (cd / && runuser -u "$(postgres_user)" -- "$@"); fi
}

postgres_user() { if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi; }

start_postgres() {
  local bin port data
  bin=$(postgres_bin)
  if [ -z "$bin" ]; then
    install_packages postgresql
    bin=$(postgres_bin)
  fi
  [ -n "$bin" ] || stop 'Postgres was installed, but its initdb was not found'
  # Not inside the repository: its folder may be closed to the user that Postgres runs as.
  data=$(mktemp -d "${TMPDIR:-/tmp}/jixia-postgres.XXXXXX")
  if [ "$(id -u)" = 0 ]; then chown "$(postgres_user)" "$data"; fi
  port=$(free_port)
  say "starting Postgres on 127.0.0.1:$port"
  as_postgres "$bin/initdb" -D "$data/db" -U jixia -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null \
    || stop 'initdb failed'
  as_postgres "$bin/pg_ctl" -D "$data/db" -l "$data/log" -w -t 60 -o "-p $port -h 127.0.0.1 -k '' \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300" start >/dev/null \
    || { cat "$data/log" >&2; stop 'Postgres did not start'; }
  printf '%s\n%s\n' "$bin" "$data" >"$state/postgres"
  echo "export TEST_POSTGRES_URL=postgres://jixia@127.0.0.1:$port/postgres" >>"$state/env"
}

start_redis() {
  local data port
  has redis-server || install_packages redis-server
  data=$(mktemp -d "${TMPDIR:-/tmp}/jixia-redis.XXXXXX")
  port=$(free_port)
  say "starting Redis on 127.0.0.1:$port"
  redis-server --bind 127.0.0.1 --port "$port" --dir "$data" --pidfile "$data/pid" --logfile "$data/log" \
    --save '' --appendonly no --daemonize yes >/dev/null
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && [ -s "$data/pid" ]; then
      echo "$data" >"$state/redis"
      echo "export TEST_REDIS_URL=redis://127.0.0.1:$port/" >>"$state/env"
      return
    fi
    sleep 0.1
  done
  cat "$data/log" >&2
  stop 'Redis did not start'
}

alive() {
  [ -e "$state/env" ] || return 1
  local bin data
  if [ -e "$state/postgres" ]; then
    { read -r bin && read -r data; } <"$state/postgres"
    as_postgres "$bin/pg_ctl" -D "$data/db" status >/dev/null 2>&1 || return 1
  fi
  if [ -e "$state/redis" ]; then
    read -r data <"$state/redis"
    kill -0 "$(cat "$data/pid" 2>/dev/null)" 2>/dev/null || return 1
  fi
}

up() {
  # What a crash or a reboot left behind is of no use.
  alive || down
  mkdir -p "$state"
  touch "$state/env"
  [ -n "${TEST_POSTGRES_URL:-}" ] || [ -e "$state/postgres" ] || start_postgres
  [ -n "${TEST_REDIS_URL:-}" ] || [ -e "$state/redis" ] || start_redis
}

down() {
  local bin data
  if [ -e "$state/postgres" ]; then
    { read -r bin && read -r data; } <"$state/postgres"
    as_postgres "$bin/pg_ctl" -D "$data/db" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$data"
  fi
  if [ -e "$state/redis" ]; then
    read -r data <"$state/redis"
    if [ -s "$data/pid" ]; then kill "$(cat "$data/pid")" 2>/dev/null || true; fi
    rm -rf "$data"
  fi
  rm -rf "$state"
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  alive) alive ;;
  *) stop 'usage: services.sh up|down|alive' ;;
esac
