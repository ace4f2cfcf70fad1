#!/bin/sh
# Of a pull request: compare it with the last merge of its target branch, and with every release that is pinned. `TARGET`
# (a branch), `SUITE` and `STORE` are set by the job, `RELEASES` may name baselines. A branch without a baseline is
# compared with main. Inconclusive cases get more time once; what is still inconclusive does not fail the job up to the
# share in `MOST`.
set -eu
baseline=$(printf '%s' "$TARGET" | tr -c 'A-Za-z0-9._-' '-')
[ -d "$STORE/baselines/$baseline" ] || baseline=main
set -- "$SUITE" --baseline "$baseline" --trust --store "$STORE" --device "${DEVICE:-local}"
for release in ${RELEASES:-}; do set -- "$@" --baseline "$release"; done
status=0
bnnbench check "$@" --max-inconclusive "${MOST:-0%}" --format markdown --output comment.md || status=$?
if [ "$status" -eq 3 ]; then # not measured, or too much is inconclusive
  status=0
  bnnbench check "$@" --max-inconclusive "${MOST_AGAIN:-20%}" --budget "${BUDGET:-10min}" \
    --format markdown --output comment.md || status=$?
fi
exit "$status"
