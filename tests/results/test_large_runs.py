"""A run of many cases costs what its records are: nobody looks through all of them for each case."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bnnbench.results.case_result import case_results
from bnnbench.results.records import Entry, Gate, Invocation, RunRecord
from bnnbench.results.store.stored_run import StoredRun

CASES, INVOCATIONS = 2000, 3
MOST_LOOKS = 30


class Counted(list[Entry]):
    """How often all of it is gone through."""

    looks = 0

    def __iter__(self) -> Iterator[Entry]:
        self.looks += 1
        return super().__iter__()


def test_results_of_a_large_run(record: RunRecord) -> None:
    cases = [msgspec.structs.replace(record.cases[0], id=f"case-{number}") for number in range(CASES)]
    entries = Counted()
    for case in cases:
        entries.append(Gate(case_id=case.id, status="ok", settled=True))
        entries.extend(
            Invocation(case_id=case.id, index=index, order=index, status="ok", samples_ns=[90.0, 100.0], first_ns=9.0)
            for index in range(INVOCATIONS)
        )
    run = StoredRun(msgspec.structs.replace(record, cases=cases, skips=[], invocations_per_case=INVOCATIONS), entries)
    assert {result.status for result in case_results(run)} == {"ok"}
    assert 0 < entries.looks <= MOST_LOOKS
