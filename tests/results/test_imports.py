"""Importing the package and its store costs no pandas, NumPy or matplotlib: `--help` must stay quick."""

import subprocess
import sys

import pytest

import bnnbench.results

CODE = """
import sys
import {module}
heavy = {{"pandas", "numpy", "matplotlib", "pyarrow", "scipy", "jinja2", "rich"}} & set(sys.modules)
print(*sorted(heavy))
"""


@pytest.mark.parametrize(
    "module",
    [
        "bnnbench.results",
        "bnnbench.results.records",
        "bnnbench.results.store.runs",
        "bnnbench.results.report",
        "bnnbench.results.charts",
    ],
)
def test_light(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.split() == []


def test_the_public_names() -> None:
    for name in bnnbench.results.__all__:
        assert getattr(bnnbench.results, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bnnbench.results.nothing  # noqa: B018
