#!/usr/bin/env bash
# Renews every list of packages with hashes: what `make` installs, and what `bnnbench engines install` does.
# Lists have no address of an index: packages come from wherever pip is set up to look.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

lock() { # output, least Python, inputs...
  local output=$1 least=$2
  shift 2
  "$python" -m uv pip compile --quiet --universal --python-version "$least" --generate-hashes --upgrade \
    --no-header --no-annotate --no-emit-index-url "$@" --output-file "$output"
}

lock requirements/dev.txt 3.11 pyproject.toml requirements/build.in --extra build --extra dev
lock requirements/fuzz.txt 3.11 requirements/fuzz.in
lock requirements/release.txt 3.11 requirements/release.in
lock requirements/docs.txt 3.11 -c requirements/dev.txt --group pyproject.toml:docs
lock requirements/uv.txt 3.11 requirements/uv.in
wanted=$(mktemp -d)
trap 'rm -rf "$wanted"' EXIT
"$python" -c "
import sys
from pathlib import Path
from bnnbench.kernels.engines.installation import RUNTIMES
for name, runtime in RUNTIMES.items():
    Path(sys.argv[1], name + '.in').write_text('\\n'.join(runtime.packages))
" "$wanted"
lock kernels/engines/locks/lce.txt 3.10 "$wanted/lce.in"
lock kernels/engines/locks/litert.txt 3.11 "$wanted/litert.in"
lock kernels/engines/locks/onnxruntime.txt 3.11 "$wanted/onnxruntime.in"
lock kernels/engines/locks/larq.txt 3.10 "$wanted/larq.in"
