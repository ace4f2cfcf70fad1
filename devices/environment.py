"""Changing a device so that it measures steadily, and putting it back: governor, turbo, Android's power modes.

What is changed is written down on the device before it is changed, in `environment.journal` of the work folder, so that
it can be put back by whoever connects next: after the run, after Ctrl-C, after a crash, or by `devices restore`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bnnbench.devices.errors import CommandFailed
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.transport.protocol import Transport

JOURNAL = "environment.journal"
_CPU = "/sys/devices/system/cpu"
_TIMEOUT_S = 30.0
Outcome = Literal["changed", "same", "denied", "restored", "stuck"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to change: a file's value, or a setting of Android's by its name. `absent` values are skipped over."""

    kind: Literal["file", "setting"]
    what: str
    value: str


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a step: `changed` from `before`, already the `same`, `denied`, `restored`, or `stuck` changed."""

    outcome: Outcome
    what: str
    before: str

    @property
    def sentence(self) -> str:
        """For the journal of a run and for trust."""
        if self.outcome == "denied":
            return f"{self.what} stays {self.before}: changing it is not permitted"
        if self.outcome == "stuck":
            return f"{self.what} cannot be put back to {self.before}"
        return f"{self.what} {self.outcome}" + (
            f" from {self.before}" if self.outcome == "changed" else f": {self.before}"
        )


# Android's settings: how each is read, set to $1, and so put back. Tried in a shell over there.
_SETTINGS: Final = {
    "fixed-performance": ("echo false", 'cmd power set-fixed-performance-mode-enabled "$1"', "true"),
    "stay-awake": (
        "settings get global stay_on_while_plugged_in",
        'settings put global stay_on_while_plugged_in "$1"',
        "7",
    ),
}

# `write FILE VALUE`, `get KIND WHAT`, `set KIND WHAT VALUE`. Only files below /sys are ever written.
_FUNCTIONS = """
LC_ALL=C; export LC_ALL
write() {
  case $1 in /sys/*) ;; *) return 1 ;; esac
  case $1 in *..*) return 1 ;; esac
  case $2 in ''|*[!A-Za-z0-9_.-]*) return 1 ;; esac
  { printf '%s\\n' "$2" > "$1"; } 2>/dev/null && return 0
  printf '%s\\n' "$2" | sudo -n tee "$1" > /dev/null 2>&1
}
get() {
  case $1 in
    file) v=; { IFS= read -r v < "$2"; } 2>/dev/null || [ -n "$v" ] || return 1 ;;
    setting) case $2 in
@GET@
      *) return 1 ;;
    esac || return 1 ;;
    *) return 1 ;;
  esac
  printf '%s' "$v"
}
put() {
  k=$1; w=$2; shift 2
  case $k in
    file) write "$w" "$1" ;;
    setting) case $w in
@PUT@
      *) return 1 ;;
    esac ;;
    *) return 1 ;;
  esac
}
""".replace(
    "@GET@", "\n".join(f"      {name}) v=$({get} 2>/dev/null) ;;" for name, (get, _, _) in _SETTINGS.items())
).replace("@PUT@", "\n".join(f"      {name}) {put} > /dev/null 2>&1 ;;" for name, (_, put, _) in _SETTINGS.items()))

# $1 journal, then KIND WHAT VALUE triples. A line is on the disk before the change is made.
_APPLY = (
    _FUNCTIONS
    + """
j=$1; shift
while [ $# -ge 3 ]; do
  k=$1; w=$2; x=$3; shift 3
  old=$(get "$k" "$w") || continue
  if [ "$old" = "$x" ]; then printf 'same\\t%s\\t%s\\n' "$w" "$old"; continue; fi
  printf '%s\\t%s\\t%s\\n' "$k" "$w" "$old" >> "$j" || { printf 'denied\\t%s\\t%s\\n' "$w" "$old"; continue; }
  sync
  if put "$k" "$w" "$x"; then
    now=$(get "$k" "$w")
    if [ "$k" = setting ] || [ "$now" = "$x" ]; then printf 'changed\\t%s\\t%s\\n' "$w" "$old"; continue; fi
  fi
  printf 'denied\\t%s\\t%s\\n' "$w" "$old"
done
"""
)

# $1 journal. The first line of a file is what it was before anything was changed. What is stuck stays in the journal.
_RESTORE = (
    _FUNCTIONS
    + """
j=$1; [ -f "$j" ] || exit 0
t=$(printf '\\t'); seen=; stuck=
while IFS="$t" read -r k w old; do
  case "$seen" in *"|$w|"*) continue ;; esac
  seen="$seen|$w|"
  now=$(get "$k" "$w")
  if [ "$k" = file ] && [ "$now" = "$old" ]; then continue; fi
  if put "$k" "$w" "$old" && { [ "$k" = setting ] || [ "$(get "$k" "$w")" = "$old" ]; }; then
    printf 'restored\\t%s\\t%s\\n' "$w" "$old"
  else
    printf 'stuck\\t%s\\t%s\\n' "$w" "$old"; stuck=1
  fi
done < "$j"
[ -n "$stuck" ] || rm -f "$j"
"""
)


def steps(facts: DeviceFacts, cores: Sequence[int]) -> list[Step]:
    """What steadies this device: its cores' governor, no turbo, Android's own modes. Files that are missing are passed
    over there."""
    wanted = []
    if facts.value("governor"):
        wanted += [Step("file", f"{_CPU}/cpu{cpu}/cpufreq/scaling_governor", "performance") for cpu in cores]
    if facts.value("machine") in ("x86_64", "i686"):
        wanted += [Step("file", f"{_CPU}/intel_pstate/no_turbo", "1"), Step("file", f"{_CPU}/cpufreq/boost", "0")]
    if str(facts.value("os_release") or "").startswith("Android"):
        wanted += [Step("setting", name, value) for name, (_, _, value) in _SETTINGS.items()]
    return wanted


def apply(transport: Transport, folder: str, wanted: Sequence[Step]) -> list[Change]:
    """Make the changes, each journaled first; one that is not permitted says so. Only under the machine's lock."""
    words = [word for step in wanted for word in (step.kind, step.what, step.value)]
    return _changes(transport, _APPLY, f"{folder}/{JOURNAL}", *words)


def restore(transport: Transport, folder: str) -> list[Change]:
    """Put back what the journal there names; nothing when there is none. Only under the machine's lock."""
    return _changes(transport, _RESTORE, f"{folder}/{JOURNAL}")


def _changes(transport: Transport, script: str, *args: str) -> list[Change]:
    done = transport.shell(script, *args, timeout_s=_TIMEOUT_S)
    changes = []
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        outcome, _, rest = line.partition("\t")
        what, _, before = rest.partition("\t")
        if outcome not in ("changed", "same", "denied", "restored", "stuck"):
            name = transport.spec.name
            raise CommandFailed(f"device {name!r} answered {line[:80]!r} when its environment was changed.")
        changes.append(Change(outcome, what, before))  # type: ignore[arg-type]  # one of the five
    return changes
