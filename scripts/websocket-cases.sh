#!/bin/sh
# Runs Autobahn's WebSocket cases (by the package kosoku) against the gateway's connection code with an echo handler:
# groups 1 to 7 and 10. Group 9 measures, 12 and 13 are compression, which the gateway does not offer.
#
#   scripts/websocket-cases.sh [folder for the report]
set -eu
cd "$(dirname "$0")/.."
report=${1:-target/websocket-cases}
port=${PORT:-9001}
venv=target/kosoku
if [ ! -x "$venv/bin/kosoku" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet 'kosoku==0.1.0'
fi
cargo build --quiet --locked --package tests --bin websocket_echo
target/debug/websocket_echo --port "$port" &
echo=$!
trap 'kill "$echo" 2>/dev/null || true' EXIT
until python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; do
    kill -0 "$echo"
    sleep 0.2
done
"$venv/bin/kosoku" --mode fuzzingclient "127.0.0.1:$port" --outdir "$report" --parallelism 4 \
    --include '1.*' --include '2.*' --include '3.*' --include '4.*' --include '5.*' --include '6.*' \
    --include '7.*' --include '10.*'
