"""Packs the chart library of the site from npm into results/site/static/vendor: `python scripts/site_libraries.py`.

It installs Vega, Vega-Lite and Vega's interpreter of expressions at the versions below into a temporary folder, without
running any script of theirs, and copies the built files, the licences of these packages and of all that is built into
them, and VERSIONS with the SHA-256 of every file. To update: change a version, run this, run the tests of
tests/results/site, look at the charts.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

VERSIONS = {"vega": "6.4.0", "vega-lite": "6.4.3", "vega-interpreter": "2.3.2"}
TARGET = Path(__file__).resolve().parent.parent / "results" / "site" / "static" / "vendor"
FILES = {"vega.min.js": "vega/build/vega.min.js", "vega-lite.min.js": "vega-lite/build/vega-lite.min.js"}
INTERPRETER = "vega-interpreter/build/vega-interpreter.js"
NOT_BUILT_IN = ("yargs", "cliui", "escalade", "y18n", "yargs-parser", "get-caller-file", "ansi-", "string-width")
"""Begin the names of packages of Vega-Lite's command line, which is not copied."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "package.json").write_text(json.dumps({"private": True, "dependencies": VERSIONS}))
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=root, check=True, timeout=600)
        modules = root / "node_modules"
        TARGET.mkdir(parents=True, exist_ok=True)
        for name, source in FILES.items():
            (TARGET / name).write_text(_without_map((modules / source).read_text(encoding="utf-8")), encoding="utf-8")
        (TARGET / "vega-interpreter.js").write_text(as_script((modules / INTERPRETER).read_text(encoding="utf-8")))
        (TARGET / "LICENSES.txt").write_text(licences(modules), encoding="utf-8")
    (TARGET / "VERSIONS").write_text(versions())


def as_script(module: str) -> str:
    """The interpreter as a classic script: modules are not loaded from files. Raises ValueError for another form."""
    first, _, rest = module.partition("\n")
    body, export, _ = rest.rpartition("export { expression as expressionInterpreter };")
    if not first.startswith("import {") or not first.endswith("from 'vega-util';") or not export:
        raise ValueError("vega-interpreter.js has another form: adapt scripts/site_libraries.py")
    names = first.removeprefix("import ").removesuffix(" from 'vega-util';")
    return (
        f'(function () {{\n"use strict";\nconst {names} = vega;\n{body}window.vegaInterpreter = expression;\n}})();\n'
    )


def licences(modules: Path) -> str:
    """The licence of each package below `modules` that is built into the files."""
    found = []
    for manifest in sorted([*modules.glob("*/package.json"), *modules.glob("@*/*/package.json")]):
        package = json.loads(manifest.read_text(encoding="utf-8"))
        if package["name"].startswith(NOT_BUILT_IN) or package["name"].startswith("@types/"):
            continue
        texts = sorted(
            path for path in manifest.parent.iterdir() if path.name.lower().startswith(("license", "licence"))
        )
        text = texts[0].read_text(encoding="utf-8").strip() if texts else f"Licence: {package['license']}"
        found.append(f"{package['name']} {package['version']}\n{'=' * 40}\n{text}\n")
    return "\n\n".join(found)


def versions() -> str:
    """Versions and digests, a line each."""
    lines = [f"{name} {version}" for name, version in VERSIONS.items()]
    files = sorted(path for path in TARGET.iterdir() if path.name != "VERSIONS")
    lines += [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    return "\n".join(["# Made by scripts/site_libraries.py from npm.", *lines, ""])


def _without_map(text: str) -> str:
    """Without the address of a source map, which is not copied."""
    kept = [line for line in text.rstrip().split("\n") if not line.startswith("//# sourceMappingURL=")]
    return "\n".join(kept) + "\n"


if __name__ == "__main__":
    main()
