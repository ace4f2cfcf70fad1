"""What has to be said beside every ratio to an engine: how far it is from the best that its kind can do there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..targets import TRIPLES

ANYWHERE: Final = ""
"""Key of a caveat that holds on every architecture."""

Caveats = Mapping[str, str]
"""By architecture (`x86_64`), or `ANYWHERE`: a few words without a full stop."""

NO_CAVEATS: Caveats = {}
REFERENCE: Caveats = {ANYWHERE: "a readable reference, not an optimised engine"}
PORTABLE_LCE: Caveats = {
    "x86_64": "portable C++ on x86: no hand-written kernels",
    "arm": "portable C++ on 32-bit Arm: no hand-written kernels",
}
"""LCE's hand-written kernels are for 64-bit Arm: https://github.com/larq/compute-engine/blob/main/docs/build_arm.md."""
NO_BINARY_OPS: Caveats = {ANYWHERE: "no binary ops: it computes in floats or int8"}


def caveat_on(caveats: Caveats, triple: str) -> str | None:
    """What holds on a triple; None where nothing has to be said."""
    architecture = TRIPLES[triple].architecture if triple in TRIPLES else ANYWHERE
    return caveats.get(architecture, caveats.get(ANYWHERE))
