#!/bin/sh
# Checks the signatures of payment with implementations that are not ours, from a throw-away venv below target/.
#
#   scripts/payment-interop.sh [path of payment_peer]
#
# Without Python, or where the two packages cannot be installed, it says so and ends with 77 (skipped).
set -eu
cd "$(dirname "$0")/.."
skip() {
    echo "payment interop: SKIPPED, $1" >&2
    exit 77
}
python=${PYTHON:-python3}
venv=target/payment-interop
mark="$venv/wechatpayv3-2.0.4-wechat-xpay-0.6.0"
if [ ! -e "$mark" ]; then
    "$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || skip 'Python 3.9 with venv is not here'
    # Two at a time would build one venv.
    rm -rf "$venv.$$"
    "$python" -m venv "$venv.$$" || skip 'a venv cannot be made'
    "$venv.$$/bin/python" -m pip install --quiet --disable-pip-version-check 'wechatpayv3==2.0.4' 'wechat-xpay==0.6.0' ||
        { rm -rf "$venv.$$"; skip 'wechatpayv3 and wechat-xpay cannot be installed'; }
    touch "$venv.$$/${mark##*/}"
    rm -rf "$venv"
    mv "$venv.$$" "$venv"
fi
peer=${1:-}
if [ ! -x "$peer" ]; then
    cargo build --quiet --locked --package tests --bin payment_peer
    peer=target/debug/payment_peer
fi
exec "$venv/bin/python" tests/interop/payment.py "$peer"
