"""The ahead-of-time objects: reproducible, self-contained, and equal to the oracle on every target."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnbench.kernels.numba_aot.targets import TARGETS, NumbaTarget, numba_target
from bnnbench.kernels.ops import KernelSpec, make_data
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.reference.exports import EXPORTS, c_header
from bnnbench.kernels.reference.run import compose

from .aot_link import Server, build_object, link_static, load_shared
from .sweep import sweep
