#!/usr/bin/env bash
# Runs both scripts against a Headgate in front of the simulator: test.sh path/to/headgate. Fetches packages into a
# temporary folder, unless VENV names a virtual environment that has them.
set -euo pipefail
binary=$(realpath "${1:?the path of the headgate binary}")
cd "$(dirname "$0")"
work=$(mktemp -d)
pids=()
cleanup() { kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT

venv=${VENV:-$work/venv}
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  timeout 300 "$venv/bin/pip" install -q -r requirements.txt
fi
./generate.sh "$venv/bin/python"

export HEADGATE_ADMIN_KEY=hg_test_administrators_key_0123456789
export HEADGATE_KEY=$HEADGATE_ADMIN_KEY
port() { "$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
http=$(port) grpc=$(port) ops=$(port) sim=$(port)
"$binary" sim --addr "127.0.0.1:$sim" >"$work/sim.log" 2>&1 &
pids+=($!)
OPENAI_API_KEY=any OPENAI_BASE_URL=http://127.0.0.1:$sim/v1 VLLM_BASE_URL=http://127.0.0.1:$sim/vllm \
  HEADGATE_HTTP_ADDR=127.0.0.1:$http HEADGATE_GRPC_ADDR=127.0.0.1:$grpc HEADGATE_OPS_ADDR=127.0.0.1:$ops HEADGATE_DATA_DIR=$work/data \
  "$binary" all --config headgate.yaml >"$work/log" 2>&1 &
pids+=($!)

export HEADGATE_URL=http://127.0.0.1:$http HEADGATE_GRPC=127.0.0.1:$grpc
for _ in $(seq 100); do curl -sf "$HEADGATE_URL/readyz" >/dev/null && break; sleep 0.1; done
PYTHONDONTWRITEBYTECODE=1 timeout 120 "$venv/bin/python" -m unittest -v test_classify || { cat "$work/log"; exit 1; }
