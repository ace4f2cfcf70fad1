"""Verdicts as JUnit XML: a regression or a broken head is a failure, what could not be measured an error, what is not
known is skipped."""

from collections.abc import Sequence
from xml.etree import ElementTree as Tree

from bnnbench.results.printable import printable
from bnnbench.results.verdict.budget_rows import BudgetRow
from bnnbench.results.verdict.formats.sentence import with_word
from bnnbench.results.verdict.remarks import NOTHING, Remarks
from bnnbench.results.verdict.rows import VerdictRow


def render(rows: Sequence[VerdictRow], title: str, remarks: Remarks = NOTHING) -> str:
    """The document, a suite for each device."""
    root = Tree.Element("testsuites", name="bnnbench")
    shown = remarks.listed(rows)
    for device in dict.fromkeys(row.record.device for row in shown):
        mine = [row for row in shown if row.record.device == device]
        kinds = [_outcome(row) for row in mine]
        counts = {"failures": "failure", "errors": "error", "skipped": "skipped"}
        suite = Tree.SubElement(
            root,
            "testsuite",
            name=printable(f"bnnbench {device}"),
            tests=str(len(mine)),
        )
        for key, kind in counts.items():
            suite.set(key, str(kinds.count(kind)))
        properties = Tree.SubElement(suite, "properties")
        for side, names in remarks.sides(mine).items():
            Tree.SubElement(properties, "property", name=side, value=printable(", ".join(names)))
        for line in remarks.environment_lines:
            Tree.SubElement(properties, "property", name="environment", value=printable(line))
        for row, outcome in zip(mine, kinds, strict=True):
            threads = f" {row.record.threads} threads" if row.record.threads > 1 else ""
            case = Tree.SubElement(
                suite,
                "testcase",
                classname=printable(f"{device}.{row.metric.label}"),
                name=printable(f"{row.record.workload}{threads}: {row.record.base} -> {row.record.head}"),
            )
            text = printable(with_word(row))
            if outcome is None:
                Tree.SubElement(case, "system-out").text = text
            else:
                Tree.SubElement(case, outcome, message=text)
    if remarks.listed_budgets:
        _budgets(root, remarks.listed_budgets)
    if remarks.unmeasured or remarks.notes:
        _beside(root, remarks)
    Tree.indent(root)
    return Tree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _budgets(root: Tree.Element, rows: Sequence[BudgetRow]) -> None:
    """A suite of the budgets: one that is not kept is a failure, an undecided one is skipped."""
    kinds = ["failure" if row.is_bad else "skipped" if row.is_unclear else "" for row in rows]
    counts = {"failures": str(kinds.count("failure")), "errors": "0", "skipped": str(kinds.count("skipped"))}
    suite = Tree.SubElement(root, "testsuite", {"name": "bnnbench budgets", "tests": str(len(rows)), **counts})
    for row, kind in zip(rows, kinds, strict=True):
        classname, name = printable(f"{row.case.device}.budget"), printable(f"{row.about}: {row.budget.text}")
        case = Tree.SubElement(suite, "testcase", classname=classname, name=name)
        if kind:
            Tree.SubElement(case, kind, message=printable(row.sentence))
        else:
            Tree.SubElement(case, "system-out").text = printable(row.sentence)


def _beside(root: Tree.Element, remarks: Remarks) -> None:
    """A suite of what was not measured: an error each."""
    count = str(len(remarks.unmeasured))
    suite = Tree.SubElement(root, "testsuite", name="bnnbench", tests=count, failures="0", errors=count, skipped="0")
    for item in remarks.unmeasured:
        case = Tree.SubElement(suite, "testcase", classname="not measured", name=printable(item.what))
        Tree.SubElement(case, "error", message=f"not measured: {printable(item.reason)}")
    if remarks.notes:
        Tree.SubElement(suite, "system-out").text = printable("\n".join(remarks.notes))


def _outcome(row: VerdictRow) -> str | None:
    if row.is_bad:
        return "failure"
    if row.verdict.status in ("failed", "wrong_output", "unstable"):
        return "error"
    return "skipped" if row.is_unclear else None
