#!/usr/bin/env bash
# Runs every fuzz target of every module, one after the other, for the time given.
set -euo pipefail
time=${1:-20s}
for module in $(go list -f '{{.Dir}}' -m); do
  for file in $(grep -rl --include='*_test.go' '^func Fuzz' "$module" || true); do
    for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
      echo "fuzz ${file#"$PWD"/} $target"
      (cd "$(dirname "$file")" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" .)
    done
  done
done
