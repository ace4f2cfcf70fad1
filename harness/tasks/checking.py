"""The comparisons of a check, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from msgspec import structs

from bnnbench.results.store.runs import Store
from bnnbench.results.verdict.remarks import Remarks, Unmeasured
from bnnbench.results.verdict.rows import VerdictRow, verdict_rows

from ..bench.reach import Tell
from ..run.execute import RunResult
from .check import Check, with_machines
from .measure import Call, measure
from .remarks import history_of_unjudged, remarks_on


@dataclass(frozen=True, slots=True)
class Checked:
    """A comparison that was measured, or why it was not; `later` are the baselines after it."""

    check: Check
    later: Sequence[str]
    result: RunResult | None = None
    error: Exception | None = None
    rows: Sequence[VerdictRow] = ()

    @property
    def is_interrupted(self) -> bool:
        """Whether nothing comes after it."""
        return self.result is not None and self.result.outcome == "interrupted"

    def remarks(self, store: Store, explain: Callable[[Exception], str]) -> Remarks:
        """What is to be told of it beside its verdicts; `explain` makes a sentence of an error."""
        if self.result is None:
            reason = explain(self.error) if self.error else "not begun"
            return Remarks([Unmeasured(f"baseline '{self.check.baseline}'", reason)], self.check.notes)
        remarks = remarks_on(self.result, self.rows, store)
        left = [Unmeasured(f"baseline '{name}'", "the check was interrupted") for name in self.later]
        return replace(
            remarks,
            unmeasured=[*remarks.unmeasured, *(left if self.is_interrupted else [])],
            notes=[*self.check.notes, *remarks.notes, *history_of_unjudged(self.result, store)],
        )


def checked(
    checks: Sequence[Check],
    calls: Callable[[], AbstractContextManager[Call]],
    tell: Tell,
    *,
    strict: bool = False,
    most_unclear: float = 1.0,
) -> Iterator[Checked]:
    """Measures each in a call of `calls`, on its own devices, tells its notes before, and ends after one that is
    interrupted. One that cannot be measured has its error: what the others show stands."""
    run_ids: list[str] = []
    for number, one in enumerate(checks):
        later = list(dict.fromkeys(other.baseline for other in checks[number + 1 :]))
        # What decides the exit status goes into the run, for when it is resumed.
        compare = structs.replace(
            one.config, strict=strict, most_unclear=most_unclear, earlier=tuple(run_ids), later=tuple(later)
        )
        for note in one.notes:
            tell(note)
        try:
            with calls() as call:
                here = replace(call, devices=one.devices, threads=one.threads)
                result = measure(here, one.suite, compare=compare)
        except Exception as error:
            yield Checked(one, later, error=error)
            continue
        run_ids.append(result.stored.record.run_id)
        rows = with_machines(verdict_rows(result.stored), one, result.stored.record)
        yield Checked(one, later, result, rows=rows)
        if result.outcome == "interrupted":
            return
