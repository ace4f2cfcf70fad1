"""What is told beside the verdicts: what was compared, what was not measured, and what else there is to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bnnbench.results.environment import Difference, lines_of
from bnnbench.results.grouped import some
from bnnbench.results.verdict.budget_rows import BudgetRow, budget_headline
from bnnbench.results.verdict.rows import VerdictRow, headline


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """Something that was asked for, has no verdict, and why: a device, a baseline, or a case that was not finished."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remarks:
    """`origins` says of a side, by its name, where it is from: the commit of a baseline, its build. `notes` are
    sentences. `environment` says of a baseline, by its name, what is different since it was measured. `budgets` are
    those of the suite. `is_brief`: only what makes a check fail is listed."""

    unmeasured: Sequence[Unmeasured] = ()
    notes: Sequence[str] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Sequence[Difference]] = field(default_factory=dict)
    budgets: Sequence[BudgetRow] = ()
    is_brief: bool = False

    def listed(self, rows: Sequence[VerdictRow]) -> list[VerdictRow]:
        """The rows that are shown one by one."""
        return [row for row in rows if row.is_bad or not self.is_brief]

    @property
    def listed_budgets(self) -> list[BudgetRow]:
        """The budgets that are shown one by one."""
        return [row for row in self.budgets if row.is_bad or not self.is_brief]

    @property
    def environment_lines(self) -> list[str]:
        """`since main, different on pi4: kernel 6.6.20 -> 6.12.1`: a line for each baseline and place."""
        return [f"since {name}, {line}" for name, found in self.environment.items() for line in lines_of(found)]

    def headline(self, rows: Sequence[VerdictRow]) -> str:
        """That of the rows, what became of the budgets, and the names of what was not measured."""
        parts = [headline(rows), budget_headline(self.budgets)]
        if self.unmeasured:
            parts.append(f"not measured: {some([item.what for item in self.unmeasured])}")
        return "; ".join(part for part in parts if part)

    def sides(self, rows: Sequence[VerdictRow]) -> dict[str, list[str]]:
        """The names of what was compared, each once and with its origin, by side."""
        names = {"base": [row.record.base for row in rows], "head": [row.record.head for row in rows]}
        return {
            side: [f"{name} ({self.origins[name]})" if name in self.origins else name for name in dict.fromkeys(found)]
            for side, found in names.items()
            if found
        }


NOTHING = Remarks()


def together(remarks: Sequence[Remarks], is_brief: bool = False) -> Remarks:
    """Of several comparisons, in their order."""
    return Remarks(
        [one for each in remarks for one in each.unmeasured],
        list(dict.fromkeys(note for each in remarks for note in each.notes)),
        {name: origin for each in remarks for name, origin in each.origins.items()},
        {name: found for each in remarks for name, found in each.environment.items()},
        [row for each in remarks for row in each.budgets],
        is_brief,
    )
