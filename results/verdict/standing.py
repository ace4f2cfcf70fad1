"""Whether a change counts: what the gates and allowances of a suite make of a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from bnnbench.results.records import Verdict
from bnnbench.results.records.policy import Allowance, Direction
from bnnbench.results.verdict.policy import Policy


@dataclass(frozen=True, slots=True)
class Standing:
    """`is_gate`: whether the metric decides if a check passes; `is_named`: whether the suite says so by its name.
    `allowance` is the one that the change falls under, `is_over` whether its last day had passed."""

    is_gate: bool = True
    is_named: bool = False
    direction: Direction = "worse"
    allowance: Allowance | None = None
    is_over: bool = False

    @classmethod
    def of(cls, policy: Policy, verdict: Verdict, workload: str, device: str) -> Standing:
        """`verdict`: of any metric of a workload on a device."""
        direction = policy.direction(verdict.metric, workload, device)
        found = cls(policy.gates(verdict.metric), verdict.metric in policy.asked_for, direction)
        if not found._is_change(verdict):
            return found
        allowance = policy.allowance(verdict, workload, device)
        over = allowance is not None and policy.is_over(allowance)
        return cls(found.is_gate, found.is_named, direction, allowance, over)

    def fails(self, verdict: Verdict) -> bool:
        """Whether the change makes a check fail."""
        return self.is_gate and self._is_change(verdict) and not self.is_allowed

    @property
    def is_allowed(self) -> bool:
        """Whether the change falls under an allowance that holds."""
        return self.allowance is not None and not self.is_over

    def text(self, verdict: Verdict) -> str | None:
        """What is to be said of it; nothing where the verdict says it all."""
        if self.allowance is not None:
            when = f"allowed until {self.allowance.until.isoformat()}"
            return (
                f"{when}, which has passed ({self.allowance.reason})"
                if self.is_over
                else f"{when}: {self.allowance.reason}"
            )
        if not self._is_change(verdict):
            return None
        if not self.is_gate:
            return "its metric is no gate of the suite"
        return "the suite allows no change of it" if verdict.verdict == "improvement" else None

    def _is_change(self, verdict: Verdict) -> bool:
        return verdict.verdict == "regression" or (self.direction == "both" and verdict.verdict == "improvement")


ALONE = Standing()
"""Where no suite says anything."""
