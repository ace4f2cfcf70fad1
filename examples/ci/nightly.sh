#!/bin/sh
# Every night: keep the last 20 runs of each suite and device and all of the last 90 days. Runs of baselines stay.
set -eu
bnnbench store prune --keep 20 --keep 90d --yes --store "$STORE"
