"""What clients ask hosts about right outputs: to compute some, and to hand over the files that hold them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bnnbench.kernels.errors import DatasetError, KernelError, ModelError

from ..errors import CannotMeasure
from ..plan.config import RunConfig
from ..workload.right_outputs_file import write
from .calls import host_of
from .files import CHUNK_BYTES, keep, named_by_place, place_of
from .host import Host

if TYPE_CHECKING:
    from distributed import Worker


async def compute_references(
    config: bytes, keys: Sequence[str], wait_s: float, dask_worker: Worker
) -> dict[str, str] | None:
    """Files of the right outputs of a run's workloads, by `prepared_key`; None while they are being computed. The host
    has the files that the config names. Raises CannotMeasure."""
    host = host_of(dask_worker)
    errand = hashlib.sha256(b"\0".join([config, *(key.encode() for key in sorted(keys))])).hexdigest()
    work = partial(_computed, host, msgspec.json.decode(config, type=RunConfig), frozenset(keys))
    return await asyncio.to_thread(host.errands.result, f"references/{errand}", work, wait_s)


def _computed(host: Host, config: RunConfig, keys: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    host.files.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with host.quiet(), host.reading, tempfile.TemporaryDirectory(dir=host.files, prefix=".made-") as folder:
            for workload in host.asked(named_by_place(config, host.files)).everything:
                if workload.unverified or (key := workload.prepared_key) not in keys:
                    continue
                if key not in found:
                    workload.prepare(lambda what, done, of: None)
                    part = Path(folder) / "right.npz"
                    write(workload, part)
                    found[key] = keep(host.files, part)
    except (OSError, KernelError, ModelError, DatasetError) as error:
        raise CannotMeasure(f"right outputs cannot be computed there: {error}.") from None
    return found


async def read_file(name: str, offset: int, dask_worker: Worker) -> bytes:
    """A piece of a file that the host has; shorter than `CHUNK_BYTES` at its end. Raises CannotMeasure."""
    path = place_of(host_of(dask_worker).files, name)

    def read() -> bytes:
        with path.open("rb") as file:
            return os.pread(file.fileno(), CHUNK_BYTES, offset)

    return await asyncio.to_thread(read)
