"""What `check --notify` posts: the verdicts of a check, for Slack-compatible hooks or as plain JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from bnnbench.results.printable import shorten
from bnnbench.results.verdict.formats.json import budget_entry, entry
from bnnbench.results.verdict.formats.sentence import sentence, with_word
from bnnbench.results.verdict.remarks import Remarks
from bnnbench.results.verdict.rows import VerdictRow

SCHEMA = 1
_MOST_LINES = 20
_MOST_LETTERS = 300
_WORDS = {0: "passed", 1: "regression", 3: "not measured"}
_MENTION = re.compile(r"(?<!\w)@")


@dataclass(frozen=True, slots=True)
class Notice:
    """A check that has ended: its rows and remarks, the ids of its runs, and its exit status."""

    rows: Sequence[VerdictRow]
    remarks: Remarks
    run_ids: Sequence[str]
    exit_status: int

    @property
    def word(self) -> str:
        """`passed`, `regression` or `not measured`."""
        return _WORDS.get(self.exit_status, f"status {self.exit_status}")


def slack(notice: Notice) -> bytes:
    """`{"text": ...}` in Slack's mrkdwn, as Mattermost and others take it too: a headline, and in a code block a line
    for each case that is not fine. Names cannot mention anybody, end the block or make a link."""
    bad = [row for row in notice.rows if row.is_bad]
    unclear = [row for row in notice.rows if row.is_unclear]
    lines = [row.sentence for row in notice.remarks.budgets if row.is_bad]
    lines += [_line(row) for row in (*bad, *unclear)]
    lines += [f"not measured: {item.what}: {item.reason}" for item in notice.remarks.unmeasured]
    lines += [f"base {name}" for name in notice.remarks.sides(notice.rows).get("base", ())]
    shown = lines[:_MOST_LINES]
    if len(lines) > len(shown):
        shown.append(f"and {len(lines) - len(shown)} more")
    block = "\n".join(_escaped(line) for line in shown)
    text = f"*bnnbench check: {notice.word}*\n{_escaped(notice.remarks.headline(notice.rows))}"
    text += f"\n```\n{block}\n```" if block else ""
    runs = ", ".join(notice.run_ids)
    return _bytes({"text": f"{text}\nrun {_escaped(runs)}" if runs else text})


def plain(notice: Notice) -> bytes:
    """`{"schema": 1, "event": "check", ...}`; the verdicts have the keys of `check --format json`."""
    return _bytes(
        {
            "schema": SCHEMA,
            "event": "check",
            "result": notice.word,
            "exit_status": notice.exit_status,
            "headline": notice.remarks.headline(notice.rows),
            "run_ids": list(notice.run_ids),
            "sides": notice.remarks.sides(notice.rows),
            "not_measured": [{"what": item.what, "reason": item.reason} for item in notice.remarks.unmeasured],
            "notes": list(notice.remarks.notes),
            "budgets": [structs.asdict(budget_entry(row)) for row in notice.remarks.budgets],
            "verdicts": [entry(row) for row in notice.rows],
        }
    )


FORMATS: Mapping[str, Callable[[Notice], bytes]] = {"slack": slack, "json": plain}


def _line(row: VerdictRow) -> str:
    record = row.record
    threads = f" x{record.threads}" if record.threads > 1 else ""
    text = sentence(row) if row.effect else with_word(row)
    return f"{record.workload}{threads} on {record.device}: {text}"


def _escaped(text: str) -> str:
    """Text on one line in which Slack sees no markup: `&<>` as Slack wants them, no end of a code block, no `@channel`
    of hooks that read plain text, and no link."""
    one_line = shorten(text, _MOST_LETTERS).replace("`", "'").replace("://", ":\u200b//")
    one_line = _MENTION.sub("@\u200b", one_line)
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _bytes(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode("ascii")
