#!/usr/bin/env bash
# Tries the official conformance suite of MCP against a running gateway: sdks/mcp/run.sh path/to/headgate.
# Fetches the suite, and the Node that it needs, at the versions of package.json, into a temporary folder. For each revision
# of the protocol every scenario of the suite runs; VERSION.yml names those about what Headgate doesn't offer. One that
# passes though it stands there fails the run, too.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "${1:?the path of the headgate binary}")
work=$(mktemp -d)
export HEADGATE_ADMIN_KEY=hg_test_administrators_key_0123456789
export HEADGATE_HTTP_ADDR=127.0.0.1:${HTTP_PORT:-18180} HEADGATE_GRPC_ADDR=127.0.0.1:${GRPC_PORT:-19190} HEADGATE_OPS_ADDR=127.0.0.1:${OPS_PORT:-19191}
export HEADGATE_DATA_DIR=$work/data HEADGATE_URL=http://$HEADGATE_HTTP_ADDR PROXY_PORT=${PROXY_PORT:-18181}

cp "$here"/* "$work"
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund
node=$work/node_modules/node/bin/node

pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
env -u ANTHROPIC_API_KEY -u OPENAI_API_KEY -u VLLM_BASE_URL -u TGI_BASE_URL "$binary" all >"$work/log" 2>&1 &
pids+=($!)
"$node" proxy.mjs &
pids+=($!)
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$PROXY_PORT/readyz" >/dev/null && break; sleep 0.1; done
kill -0 "${pids[@]}" || { cat "$work/log"; exit 1; }

failed=0
for version in 2025-03-26 2025-06-18 2025-11-25 2026-07-28; do
  echo "MCP $version"
  if ! timeout 300 "$node" node_modules/@modelcontextprotocol/conformance/dist/index.js server \
    --url "http://127.0.0.1:$PROXY_PORT/mcp" --suite all --spec-version "$version" --expected-failures "$version.yml" \
    >"$version.log" 2>&1; then
    cat "$version.log"
    failed=1
  fi
  sed -n '/^=== SUMMARY/,$p' "$version.log" | grep '✓' || true
done
exit $failed
