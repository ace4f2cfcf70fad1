"""What a baseline's `capsule.json` holds."""

from typing import Any

import msgspec

from bnnbench.results.records import Environment

SCHEMA = 2


class BaselineEngine(msgspec.Struct, frozen=True, kw_only=True):
    """A binary: for `triple`, at `isa` where it holds one level only."""

    engine: str
    triple: str
    sha256: str
    isa: str | None = None


class BaselineDeclared(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that the suite declared: its `[engine.NAME]`, with what its files are instead of where they were.

    `binary` maps architectures to files, `files` are the others, in order; `names` are what these are called where
    there is no binary.
    """

    engine: str
    command: list[str]
    binary: dict[str, str]
    files: list[str]
    protocol: int | str
    accepts: list[str]
    names: list[str] = []

    @property
    def places(self) -> list[str]:
        """Where `files` lie in the baseline's folder."""
        if self.names:
            return [f"files/{sha}/{name}" for sha, name in zip(self.files, self.names, strict=False)]
        return [f"engines/{sha}" for sha in self.files]


class BaselineModel(msgspec.Struct, frozen=True, kw_only=True):
    """The `.tflite` behind a model table of the suite; `workload` is its name there."""

    workload: str
    sha256: str
    size_bytes: int


class BaselineFigure(msgspec.Struct, frozen=True, kw_only=True):
    """What a case was when the baseline was saved: a record, which no verdict rests on."""

    workload: str
    engine: str
    device: str
    threads: int
    latency_ns: float | None = None
    accuracy: float | None = None
    dataset_sha256: str | None = None
    isa: str | None = None


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """`suite` is the run's `RunConfig`; `pinned` ones are what drift is counted from. `measured` names the engines of
    the run's cases, and `not_kept` says of those that are no files why. `environment` is that of the run, but for the
    devices' facts, which are in `devices`; None in baselines of before."""

    name: str
    created: str
    version: str
    run_id: str
    suite: dict[str, Any]
    engines: list[BaselineEngine]
    declared: list[BaselineDeclared] = []
    measured: list[str] = []
    not_kept: dict[str, str] = {}
    models: list[BaselineModel] = []
    figures: list[BaselineFigure] = []
    devices: dict[str, dict[str, Any]] = {}
    commit: str | None = None
    pinned: bool = False
    environment: Environment | None = None
    schema: int = SCHEMA

    @property
    def surroundings(self) -> Environment:
        """Where it was measured, as far as it is kept."""
        known = self.environment or Environment(versions={"bnnbench": self.version})
        return msgspec.structs.replace(known, devices=self.devices)

    @property
    def blobs(self) -> dict[str, str]:
        """Where each file lies in the baseline's folder, and its SHA-256."""
        found = {f"engines/{item.sha256}": item.sha256 for item in self.engines}
        for item in self.declared:
            found |= {f"engines/{sha}": sha for sha in item.binary.values()}
            found |= dict(zip(item.places, item.files, strict=False))
        return found | {f"models/{model.sha256}.tflite": model.sha256 for model in self.models}

    @property
    def judged(self) -> list[str]:
        """The engines that it was measured with; older baselines know them by their figures alone."""
        return self.measured or list(dict.fromkeys(figure.engine for figure in self.figures))

    @property
    def kept(self) -> list[str]:
        """The engines that it can run again."""
        return list(dict.fromkeys([item.engine for item in self.declared] + [engine.engine for engine in self.engines]))
