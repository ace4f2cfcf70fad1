"""Which hosts a run's devices are at: what its config says."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..plan.config import RunConfig
from ..run.hosts import Hosts, ThisHost


def hosts_of(config: RunConfig) -> Hosts:
    """This host's, or a lab's. Raises CallError where the extra is missing."""
    if config.lab is None:
        return ThisHost(config.health)
    require_extra()
    from .lab_hosts import LabHosts

    return LabHosts(config.lab)


def hosts_at(lab: str | None) -> Callable[[RunConfig], Hosts]:
    """As `hosts_of`, for a run whose lab may have another address by now; None: that of before."""
    return lambda config: hosts_of(config if lab is None else msgspec.structs.replace(config, lab=lab))


def require_extra() -> None:
    """Raises CallError."""
    from importlib.util import find_spec

    from ..errors import CallError

    if find_spec("distributed") is None or find_spec("cryptography") is None:
        raise CallError("a lab needs Dask distributed; run pip install 'bnnbench[lab]'.")
