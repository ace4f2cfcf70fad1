"""What the launcher's last line on stderr says of how a program ended (docs/protocol.md)."""

from __future__ import annotations

import msgspec


class LauncherReport(msgspec.Struct, frozen=True):
    """`exit` is None when a signal ended it; `left_behind` counts processes that had left its group."""

    killed: str | None
    exit: int | None = None
    signal: int | None = None
    left_behind: int = 0

    @property
    def words(self) -> str:
        """Empty when it ended well and left nothing behind."""
        return " ".join(part for part in (self._ending, left_behind_words(self.left_behind)) if part)

    @property
    def _ending(self) -> str:
        if self.killed:
            return "It was ended at its deadline." if self.killed == "deadline" else ""
        if self.signal:
            return f"It was ended by signal {self.signal}."
        return f"It ended with status {self.exit}." if self.exit else ""


def read_report(line: str) -> LauncherReport | None:
    """None when the line is something else."""
    try:
        return msgspec.json.decode(line, type=LauncherReport)
    except (msgspec.DecodeError, RecursionError):
        return None


def left_behind(stderr: str) -> int:
    """As the last line on stderr says; 0 when it is something else."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    report = read_report(lines[-1]) if lines else None
    return report.left_behind if report else 0


def left_behind_words(count: int) -> str:
    """One sentence; empty for none."""
    if not count:
        return ""
    return f"It left {count} process(es) behind that had left its process group; they were ended."
