#!/bin/sh
# After a merge: measure the branch, and make this run the branch's baseline. `BRANCH`, `SUITE` and `STORE` are set by
# the job; `DEVICE` may be a board, or qemu://cortex-a72 to count instructions on a hosted runner.
set -eu
baseline=$(printf '%s' "$BRANCH" | tr -c 'A-Za-z0-9._-' '-') # release/1.2 -> release-1.2
bnnbench run "$SUITE" --engine native --device "${DEVICE:-local}" --store "$STORE"
bnnbench baseline save "$baseline" --replace --store "$STORE"
