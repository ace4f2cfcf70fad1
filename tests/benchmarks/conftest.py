"""What the benchmarks share: the four classic shapes and engines that have loaded them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "kernels"), str(Path(__file__).parent)]
