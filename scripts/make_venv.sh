#!/usr/bin/env bash
# Makes .venv and installs the project with its tools. $1 is the Python to use.
set -euo pipefail
python=${1:-}
if [ -z "$python" ]; then
  echo "bnnbench needs Python 3.11 or newer: install python3, or name one with make PYTHON=/path/to/python3" >&2
  exit 2
fi

# Debian and Ubuntu keep ensurepip in a package of its own, python3-venv.
with_venv() { "$python" -m venv .venv > /dev/null 2>&1; }
with_pip() {
  "$python" -m venv --clear --without-pip .venv > /dev/null 2>&1 &&
    "$python" -m pip --python .venv/bin/python install --quiet pip > /dev/null 2>&1
}
with_apt() {
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  "${root[@]}" apt-get update -qq > /dev/null 2>&1 || return 1
  "${root[@]}" apt-get install -y -qq python3-venv > /dev/null 2>&1 && with_venv
}

if ! .venv/bin/python -m pip --version > /dev/null 2>&1; then
  rm -rf .venv
  with_venv || with_pip || with_apt || {
    echo "cannot make a virtual environment: run 'sudo apt install python3-venv' and try again" >&2
    exit 2
  }
fi
echo "installing bnnbench and its tools into .venv (a minute or two, the first time)"
pip=(.venv/bin/python -m pip --disable-pip-version-check)
"${pip[@]}" install --quiet --no-deps --require-hashes -r requirements/dev.txt
"${pip[@]}" install --quiet --no-deps --no-build-isolation -e .
"${pip[@]}" check > /dev/null || {
  "${pip[@]}" check >&2 || true
  echo "requirements/dev.txt does not fit pyproject.toml: renew it with 'make lock'" >&2
  exit 2
}
