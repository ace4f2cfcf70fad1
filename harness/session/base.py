"""One device's work in a run: opening it, the gates and accuracies of its cases, and what is shown meanwhile."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from bnnbench.devices.transport.protocol import Transport
from bnnbench.results.records import Accuracy, Gate
from bnnbench.results.store.stored_run import StoredRun

from ..bench.context import RunContext
from ..bench.workbench import Workbench, workbench
from ..measure.evaluate import evaluate
from ..measure.runner import runner_of
from ..plan.cases import Case
from ..plan.target import Target


@dataclass
class DeviceSession(ABC):
    """What a run does on one device over one connection. `gates` and `accuracies` are by case id: what failed before
    is tried again; what was measured, never."""

    target: Target
    transport: Transport
    cases: tuple[Case, ...]
    context: RunContext
    builds_ns: int
    push_ns: int = field(default=0, init=False)
    gates: dict[str, Gate] = field(default_factory=dict, init=False)
    accuracies: dict[str, Accuracy] = field(default_factory=dict, init=False)

    @property
    def name(self) -> str:
        return self.target.spec.name

    def run(self) -> None:
        """All that is not in the journal yet. Raises DeviceError, Interrupted, StoreError."""
        stored = self.context.writer.read()
        self.gates = {id: gate for id, gate in stored.gates.items() if gate.status != "failed"}
        self.accuracies = {id: accuracy for id, accuracy in stored.accuracies.items() if accuracy.status != "failed"}
        if not self.begin(stored):
            return
        self.show("pushing engines and data")
        with workbench(self.target, self.transport, self.cases, self.context) as bench:
            self.push_ns = bench.push_ns
            self.measure(bench)

    @abstractmethod
    def begin(self, stored: StoredRun) -> bool:
        """Finds out what is left to do; False when nothing is."""

    @abstractmethod
    def measure(self, bench: Workbench) -> None:
        """Does it. Raises as `run`."""

    @abstractmethod
    def progress(self) -> tuple[int, int]:
        """How many steps are done, of how many."""

    def show(self, text: str) -> None:
        """Says what comes next. Raises Interrupted."""
        self.context.stop.check()
        self.context.show(self.name, text, *self.progress())

    def gate(self, bench: Workbench, case: Case) -> Gate:
        """The case's gate, measured and journaled where it is not known."""
        id = case.record.id
        if id not in self.gates:
            self.show(f"verifying {case.workload.name} on {case.engine.name}")
            self.gates[id] = self.context.append(runner_of(case).gate(bench, case))
        return self.gates[id]

    def has_accuracy(self, case: Case) -> bool:
        """Whether the case's accuracy is to be measured."""
        return case.workload.has_images and runner_of(case).evaluates

    def evaluate(self, bench: Workbench, case: Case) -> None:
        """Measures and journals the case's accuracy where it is not known and its gate is fine."""
        id = case.record.id
        if id in self.accuracies or self.gates[id].status not in ("ok", "unverified"):
            return

        def shown(done: int, of: int) -> None:
            self.show(f"accuracy of {case.workload.name} on {case.engine.name}: {done:,} of {of:,} images")

        self.accuracies[id] = self.context.append(evaluate(bench, case, shown))
