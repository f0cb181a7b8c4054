#!/usr/bin/env bash
# go test with a line for each package, every skipped test with its reason, and what a failed
# package printed. Arguments go to go test.
set -uo pipefail

go test -v "$@" 2>&1 | awk '
  function forget() { n = 0; skips = "" }
  function show(  i) { for (i = 0; i < n; i++) print lines[i]; forget() }
  /^=== / || /^[[:space:]]*--- PASS/ || /^PASS$/ || /^FAIL$/ { next }
  { lines[n++] = $0 }
  /^[[:space:]]*--- SKIP/ {
    why = n > 1 ? lines[n - 2] : ""
    sub(/^[[:space:]]*[^[:space:]]+\.go:[0-9]+: (SKIPPED:? )?/, "", why)
    skips = skips "      SKIPPED " $3 (why ~ /^[[:space:]]*---/ ? "" : ": " why) "\n"
  }
  /^ok  \t/ || /^\?   \t/ || /\[no test files\]$/ { print; printf "%s", skips; fflush(); forget() }
  /^FAIL\t/ { show() }
  END { show() }
'
exit "${PIPESTATUS[0]}"
