"""Which engines of a run a baseline can keep, and what is kept of those that it cannot."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from bnnbench.kernels.cache import cache_folder
from bnnbench.kernels.engines.custom import files_on, identity
from bnnbench.kernels.engines.installation import RUNTIMES
from bnnbench.kernels.engines.tflite import TFLITE_ENGINES
from bnnbench.kernels.targets import TRIPLES
from bnnbench.results.records import RunRecord
from bnnbench.results.store.baselines import BaselineDeclared, BaselineEngine

from ..bench.launcher import LAUNCHER
from ..errors import CallError
from ..suite.tables import EngineTable, Suite

_KEY = re.compile(r"[0-9a-f]{8,64}")
_RUNTIMES = {engine.name: RUNTIMES[engine.runtime].packages[0] for engine in TFLITE_ENGINES}


@dataclass(slots=True)
class KeptEngines:
    """`files` maps digests to what is copied, and `named` (`SHA/NAME`) to what keeps its name; `not_kept` says of the
    other measured engines why, and what is known."""

    built: list[BaselineEngine] = field(default_factory=list)
    declared: list[BaselineDeclared] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    named: dict[str, Path] = field(default_factory=dict)
    not_kept: dict[str, str] = field(default_factory=dict)


def kept_engines(record: RunRecord, suite: Suite) -> KeptEngines:
    """Of a run's record. Raises CallError where a file of an engine is gone or another one than was measured."""
    kept = KeptEngines()
    _keep_built(record, kept)
    for name in dict.fromkeys(case.engine for case in record.cases):
        if name in suite.engine:
            kept.declared.append(_declared(name, suite.engine[name], record, kept))
        elif name in _RUNTIMES:
            kept.not_kept[name] = f"{_RUNTIMES[name]} is installed and not a file; only its version is kept"
        elif not any(item.engine == name for item in kept.built):
            kept.not_kept[name] = "its binary is not in the build cache of this machine any more"
    return kept


def _keep_built(record: RunRecord, kept: KeptEngines) -> None:
    for build in record.builds:
        if not _KEY.fullmatch(build.build or ""):
            continue
        path = cache_folder() / "engines" / (build.build or "") / "engine"
        if not path.is_file() or _sha256(path) != build.sha256:
            continue  # another's engine, or one from another machine
        kept.built.append(BaselineEngine(engine=build.engine, triple=build.triple, isa=build.isa, sha256=build.sha256))
        kept.files[build.sha256] = path
    if not any(item.engine == LAUNCHER for item in kept.built):
        raise CallError(
            f"the native engine of run {record.run_id} is not in the build cache of this machine any more; run again."
        )


def _declared(name: str, table: EngineTable, record: RunRecord, kept: KeptEngines) -> BaselineDeclared:
    """Its files, which must still be those that were measured."""
    binary: dict[str, str] = {}
    digests: dict[str, str] = {}
    names = [] if table.binary else [Path(path).name for path in table.files]
    for build in record.builds:
        architecture = TRIPLES[build.triple].architecture if build.triple in TRIPLES else ""
        if build.engine != name or (table.binary and architecture not in table.binary):
            continue
        paths, contents = files_on(table.binary, table.files, architecture), []
        for path in paths:
            try:
                contents.append(Path(path).read_bytes())
            except OSError as error:
                raise CallError(
                    f"{path} of engine '{name}' cannot be read ({error.strerror}), so run {record.run_id} cannot be "
                    "kept; build it, and run again."
                ) from None
            digests[path] = hashlib.sha256(contents[-1]).hexdigest()
        if identity(contents, names) != build.sha256:
            raise CallError(
                f"{', '.join(paths)} of engine '{name}' changed since run {record.run_id}; run again, then save."
            )
        if table.binary:
            binary[architecture] = digests[table.binary[architecture]]
    if names:
        kept.named.update({f"{digest}/{Path(path).name}": Path(path) for path, digest in digests.items()})
    else:
        kept.files.update({digest: Path(path) for path, digest in digests.items()})
    return BaselineDeclared(
        engine=name,
        command=table.command,
        binary=binary,
        files=[digests[path] for path in table.files],
        names=names,
        protocol=table.protocol,
        accepts=list(table.accepts),
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
