#!/usr/bin/env bash
# Tries SDKs for TypeScript and Python against a running mesh: sdks/run.sh path/to/headgate.
# Fetches them, at the versions of node/package.json and python/requirements.txt, into a temporary folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "${1:?the path of the headgate binary}")
work=$(mktemp -d)
export HEADGATE_ADMIN_KEY=hg_test_administrators_key_0123456789
export HEADGATE_HTTP_ADDR=127.0.0.1:${HTTP_PORT:-18080} HEADGATE_GRPC_ADDR=127.0.0.1:${GRPC_PORT:-19090} HEADGATE_OPS_ADDR=127.0.0.1:${OPS_PORT:-19091}
export HEADGATE_DATA_DIR=$work/data HEADGATE_URL=http://$HEADGATE_HTTP_ADDR

# Jobs at the simulator's batch APIs end at once: they are asked about sooner than a real provider's.
echo "batch: {poll_least: 50ms, poll_most: 500ms}" >"$work/headgate.yaml"

(cd "$work" && exec env -u ANTHROPIC_API_KEY -u OPENAI_API_KEY -u VLLM_BASE_URL -u TGI_BASE_URL "$binary" all --config "$work/headgate.yaml" >"$work/log" 2>&1) &
mesh=$!
trap 'kill $mesh 2>/dev/null; wait $mesh 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do curl -sf "$HEADGATE_URL/readyz" >/dev/null && break; sleep 0.1; done
kill -0 $mesh || { cat "$work/log"; exit 1; }

failed=0
if command -v node >/dev/null; then
  cp "$here"/node/* "$work"
  (cd "$work" && timeout 300 npm install --silent --no-audit --no-fund && timeout 300 node --test --test-timeout=60000 ./*.test.mjs) || failed=1
fi
if command -v python3 >/dev/null; then
  python3 -m venv "$work/venv"
  timeout 300 "$work/venv/bin/pip" install -q -r "$here/python/requirements.txt"
  (cd "$here/python" && PYTHONDONTWRITEBYTECODE=1 timeout 300 "$work/venv/bin/python" -m unittest) || failed=1
fi
exit $failed
