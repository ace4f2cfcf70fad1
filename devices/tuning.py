"""Changing a device so that it measures steadily, and putting it back: governor, turbo, Android's power modes.

What is changed is written down on the device before it is changed, in `environment.journal` of the work folder, so that
it can be put back by whoever connects next: after the run, after Ctrl-C, after a crash, or by `devices restore`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

from bnnbench.devices.errors import CommandFailed
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.transport.protocol import Transport

JOURNAL = "environment.journal"
_CPU = "/sys/devices/system/cpu"
_AT_ONCE = 24
_TIMEOUT_S = 60.0
_SYNC_TIMEOUT_S = 300.0
"""A slow memory card may have much to write yet."""
T = TypeVar("T")
Outcome = Literal["noted", "changed", "same", "denied", "restored", "stuck", "left"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing to change: a file's value, or a setting of Android's by its name. `absent` values are skipped over."""

    kind: Literal["file", "setting"]
    what: str
    value: str


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a step: `noted` for later, `changed` from `before`, already the `same`, `denied`, `restored`,
    `stuck` changed, or `left` at what somebody else made of it since."""

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
        if self.outcome == "left":
            return f"{self.what} is {self.before or 'empty'}, changed by somebody else since: it is left unchanged"
        return f"{self.what} {self.outcome}" + (
            f" from {self.before}" if self.outcome == "changed" else f": {self.before}"
        )


# Android's settings: how each is read (None: it can't be), set to $1, what is wanted, and what is restored when it
# can't be read. Tried in a shell over there.
_SETTINGS: Final = {
    "fixed-performance": (None, 'cmd power set-fixed-performance-mode-enabled "$1"', "true", "false"),
    "stay-awake": (
        "settings get global stay_on_while_plugged_in",
        'if [ "$1" = null ]; then settings delete global stay_on_while_plugged_in; '
        'else settings put global stay_on_while_plugged_in "$1"; fi',
        "7",
        "",
    ),
}

# `write FILE VALUE`, `get KIND WHAT`, `put KIND WHAT VALUE`, `is KIND WHAT VALUE`, which holds for what can't be read.
# Only files below /sys are ever written.
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
is() {
  case "$1 $2" in @UNREADABLE@) return 0 ;; esac
  [ "$(get "$1" "$2")" = "$3" ]
}
""".replace(
    "@GET@",
    "\n".join(
        f"      {name}) " + (f"v={before}" if get is None else f"v=$({get} 2>/dev/null)") + " ;;"
        for name, (get, _, _, before) in _SETTINGS.items()
    ),
)
_FUNCTIONS = _FUNCTIONS.replace(
    "@PUT@", "\n".join(f"      {name}) {{ {put}; }} > /dev/null 2>&1 ;;" for name, (_, put, _, _) in _SETTINGS.items())
).replace("@UNREADABLE@", "|".join(f"'setting {name}'" for name, (get, _, _, _) in _SETTINGS.items() if get is None))

# $1 journal, then KIND WHAT VALUE triples. What will be changed is on the disk before anything is.
_NOTE = (
    _FUNCTIONS
    + """
j=$1; shift; noted=
while [ $# -ge 3 ]; do
  k=$1; w=$2; x=$3; shift 3
  old=$(get "$k" "$w") && [ -n "$old" ] || continue
  if [ "$old" = "$x" ]; then printf 'same\\t%s\\t%s\\n' "$w" "$old"; continue; fi
  if printf '%s\\t%s\\t%s\\t%s\\n' "$k" "$w" "$old" "$x" >> "$j"; then
    noted=1; printf 'noted\\t%s\\t%s\\n' "$w" "$old"
  else
    printf 'denied\\t%s\\t%s\\n' "$w" "$old"
  fi
done
[ -z "$noted" ] || sync
"""
)

# $1 journal, then KIND WHAT VALUE OLD of what is noted. Without a journal somebody has restored everything meanwhile,
# because the connection that this belongs to was lost. What stays as it was is taken out of the journal.
_CHANGE = (
    _FUNCTIONS
    + """
j=$1; shift; t=$(printf '\\t')
while [ $# -ge 4 ]; do
  k=$1; w=$2; x=$3; old=$4; shift 4
  [ -f "$j" ] || exit 0
  put "$k" "$w" "$x"; done=$?
  if [ ! -f "$j" ]; then put "$k" "$w" "$old"; exit 0; fi
  if [ "$done" = 0 ] && is "$k" "$w" "$x"; then printf 'changed\\t%s\\t%s\\n' "$w" "$old"; continue; fi
  printf 'denied\\t%s\\t%s\\n' "$w" "$old"
  if is "$k" "$w" "$old"; then
    rm -f "$j.new"; { grep -Fxv -e "$k$t$w$t$old$t$x" "$j" > "$j.new"; } 2>/dev/null
    case "$?$(ls "$j.new" 2>/dev/null)" in
      0?*) mv -f "$j.new" "$j" ;;
      1?*) rm -f "$j.new" "$j" ;;
      *) rm -f "$j.new" ;;
    esac
  fi
done
"""
)

# $1 journal. The first line of a thing is what it was before anything was changed; one that has neither the value that
# was set nor that one was changed by somebody else since, and is left alone. What is stuck stays in the journal.
_RESTORE = (
    _FUNCTIONS
    + """
j=$1; [ -f "$j" ] || exit 0
t=$(printf '\\t'); seen=; rm -f "$j.new"
while IFS="$t" read -r k w old x; do
  case "$seen" in *"|$w|"*) continue ;; esac
  seen="$seen|$w|"
  if ! get "$k" "$w" > /dev/null; then
    printf 'stuck\\t%s\\t%s\\n' "$w" "$old"
    printf '%s\\t%s\\t%s\\t%s\\n' "$k" "$w" "$old" "$x" >> "$j.new" || exit 1
    continue
  fi
  if [ "$k" = file ] && is "$k" "$w" "$old"; then continue; fi
  if [ -n "$x" ] && ! is "$k" "$w" "$x"; then
    is "$k" "$w" "$old" || printf 'left\\t%s\\t%s\\n' "$w" "$(get "$k" "$w")"
  elif put "$k" "$w" "$old" && is "$k" "$w" "$old"; then
    printf 'restored\\t%s\\t%s\\n' "$w" "$old"
  else
    printf 'stuck\\t%s\\t%s\\n' "$w" "$old"
    printf '%s\\t%s\\t%s\\t%s\\n' "$k" "$w" "$old" "$x" >> "$j.new" || exit 1
  fi
done < "$j"
if [ -f "$j.new" ]; then mv -f "$j.new" "$j"; else rm -f "$j"; fi
"""
)


def settings(facts: DeviceFacts, cores: Sequence[int]) -> list[Setting]:
    """What steadies this device: its cores' governor, no turbo, Android's own modes. Files that are missing are passed
    over there."""
    wanted = []
    if facts.value("governor"):
        wanted += [Setting("file", f"{_CPU}/cpu{cpu}/cpufreq/scaling_governor", "performance") for cpu in cores]
    if facts.value("machine") in ("x86_64", "i686"):
        wanted += [Setting("file", f"{_CPU}/intel_pstate/no_turbo", "1"), Setting("file", f"{_CPU}/cpufreq/boost", "0")]
    if facts.is_android:
        wanted += [Setting("setting", name, value) for name, (_, _, value, _) in _SETTINGS.items()]
    return wanted


def apply(transport: Transport, folder: str, wanted: Sequence[Setting]) -> list[Change]:
    """Make the changes, all journaled first; one that is not permitted says so. Only under the machine's lock."""
    journal, by_name = f"{folder}/{JOURNAL}", {step.what: step for step in wanted}
    found: list[Change] = []
    for some in _batched(wanted):
        words = [word for step in some for word in (step.kind, step.what, step.value)]
        found += _changes(transport, _NOTE, _SYNC_TIMEOUT_S, journal, *words)
    changes = [change for change in found if change.outcome != "noted"]
    for batch in _batched([change for change in found if change.outcome == "noted"]):
        words = []
        for change in batch:
            step = by_name[change.what]
            words += [step.kind, step.what, step.value, change.before]
        changes += _changes(transport, _CHANGE, _TIMEOUT_S, journal, *words)
    return changes


def restore(transport: Transport, folder: str) -> list[Change]:
    """Put back what the journal there names; nothing when there is none. Only under the machine's lock."""
    return _changes(transport, _RESTORE, _TIMEOUT_S, f"{folder}/{JOURNAL}")


def _batched(all: Sequence[T]) -> Iterator[Sequence[T]]:
    """So many at a time that a command line holds them."""
    return (all[begin : begin + _AT_ONCE] for begin in range(0, len(all), _AT_ONCE))


def _changes(transport: Transport, script: str, timeout_s: float, *args: str) -> list[Change]:
    done = transport.shell(script, *args, timeout_s=timeout_s)
    changes = []
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        outcome, _, rest = line.partition("\t")
        what, _, before = rest.partition("\t")
        if outcome not in get_args(Outcome):
            name = transport.spec.name
            raise CommandFailed(f"device {name!r} answered {line[:80]!r} when its environment was changed.")
        changes.append(Change(outcome, what, before))  # type: ignore[arg-type]  # one of them
    return changes
