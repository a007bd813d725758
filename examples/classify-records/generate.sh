#!/usr/bin/env bash
# Generates the Python side of headgate.router.v1 into stubs/: generate.sh [python]. Needs grpcio-tools.
set -euo pipefail
cd "$(dirname "$0")"
python=${1:-python3}
proto=../../proto
rm -rf stubs && mkdir stubs
"$python" -m grpc_tools.protoc -I "$proto" --python_out=stubs --pyi_out=stubs --grpc_python_out=stubs \
  "$proto"/headgate/access/v1/*.proto "$proto"/headgate/llm/v1/*.proto "$proto"/headgate/errors/v1/*.proto "$proto"/headgate/router/v1/router.proto
