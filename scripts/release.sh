#!/usr/bin/env bash
# Makes dist/: the sdist, the wheel that is built from it, and the list of what the wheel carries (SBOM).
# The tools live in an environment of their own, build/release; the wheel is built in another one, which pip makes.
set -euo pipefail
cd "$(dirname "$0")/.."
python=build/release/bin/python
if [ ! -x "$python" ] || [ requirements/release.txt -nt build/release/.installed ]; then
  rm -rf build/release
  .venv/bin/python -m venv build/release
  "$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/release.txt
  touch build/release/.installed
fi
rm -rf dist
"$python" -m build --outdir dist .
"$python" -m twine check --strict dist/*.whl dist/*.tar.gz
"$python" scripts/sbom.py dist/*.whl
ls -l dist
