"""What clients ask hosts about engines: which are built there, to build one, and to take one that is built."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from bnnbench.kernels.built_elsewhere import Artifact, adopt, kept, path_of, require_same
from bnnbench.kernels.errors import BuildError
from bnnbench.kernels.toolchain import build, build_key

from ..errors import CannotMeasure
from .calls import host_of
from .files import CHUNK_BYTES, missing
from .host import Host

if TYPE_CHECKING:
    from distributed import Worker

ENGINES: Final = "engines"
_Found = TypeVar("_Found")


async def kept_builds(keys: Sequence[str], dask_worker: Worker) -> list[Artifact]:
    """Those of these engines that are built there."""

    def look() -> list[Artifact]:
        found = [kept(ENGINES, key) for key in keys]
        return [each for each in found if each is not None]

    return await asyncio.to_thread(_told, look)


async def make_build(
    engine: str, triple: str, isa: str | None, key: str, wait_s: float, dask_worker: Worker
) -> Artifact | None:
    """An engine of bnnbench's own, built there, if it is not yet; None while it is being built. Raises CannotMeasure
    where it cannot be, or would be another one."""
    host = host_of(dask_worker)

    def make() -> Artifact:
        with host.quiet():
            if build_key(engine, triple, isa) != key:
                raise BuildError(f"its compilers make another engine {engine} for {triple}.")
            made = build(engine, triple, isa)
            return Artifact(ENGINES, made.build, made.sha256)

    return await asyncio.to_thread(_told, partial(host.errands.result, f"{ENGINES}/{key}", make, wait_s))


async def read_build(found: Artifact, offset: int, dask_worker: Worker) -> bytes:
    """A piece of a build; shorter than `CHUNK_BYTES` at its end."""

    def read() -> bytes:
        with path_of(found.kind, found.key).open("rb") as file:
            file.seek(offset)
            return file.read(CHUNK_BYTES)

    return await asyncio.to_thread(read)


async def lacking_builds(announced: Sequence[Artifact], dask_worker: Worker) -> list[Artifact]:
    """Those that have to be sent. Raises CannotMeasure where one is there and differs."""
    return await asyncio.to_thread(_told, lambda: [each for each in announced if not require_same(each)])


async def adopt_build(announced: Artifact, file: str, dask_worker: Worker) -> bool:
    """Keeps a file that was sent as that build; False while something is timed on the host. Raises CannotMeasure for
    another content."""
    host = host_of(dask_worker)
    return await asyncio.to_thread(_told, partial(host.when_quiet, partial(_adopt, host, announced, file)))


def _adopt(host: Host, announced: Artifact, file: str) -> None:
    if missing(host.files, [file]):
        raise BuildError("the engine that was sent is not there any more; run it again.")
    adopt(announced, host.files / file)


def _told(work: Callable[[], _Found]) -> _Found:
    """Errors of builds as those of a lab, which come over as they are."""
    try:
        return work()
    except BuildError as error:
        raise CannotMeasure(str(error)) from None
