#!/usr/bin/env bash
# Runs the tests against the wheel of dist/, in a folder without the sources. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
wheels=(dist/*.whl)
if [ ! -f "${wheels[0]}" ]; then
  echo "there is no wheel in dist/: run make wheel first" >&2
  exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m venv "$folder/venv"
pip=("$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps)
"${pip[@]}" --require-hashes -r requirements/dev.txt
"${pip[@]}" "${wheels[0]}"
mkdir "$folder/project"
cp -r tests examples docs README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md pyproject.toml Makefile .github "$folder/project"
cd "$folder/project"
"$folder/venv/bin/python" -c '
import bnnbench.harness, sys
assert bnnbench.harness.__file__.startswith(sys.prefix), bnnbench.harness.__file__'
"$folder/venv/bin/pytest" "$@"
