"""`bnnbench alerts`: list, show, ack, fix, wontfix, reopen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .examples import give_own_examples
from .options import DebugOption, JsonOption, StoreOption

if TYPE_CHECKING:
    from pathlib import Path

    from bnnbench.results.alerts import Alert
    from bnnbench.results.store.alert_states import State
    from bnnbench.results.store.runs import Store

    from .terminal import Console

EXIT_STATUS = "Exit status: 0 done, 2 usage error, such as an id that no alert has."
app = App(
    name="alerts",
    help="List regressions and changes of histories, and mark them as known or fixed.",
    help_epilogue=f"""Examples:
  bnnbench alerts                           # open regressions, newest first
  bnnbench alerts list --all -d pi4 --since 2026-01-31
  bnnbench alerts list --json | jq -r '.alerts[].id'
  bnnbench alerts show 3f2a91               # a unique prefix of the id
  bnnbench alerts ack 3f2a91 --note "bisecting, Ann"
  bnnbench alerts fix 3f2a91 --note "fixed by 1a2b3c4"
  bnnbench alerts wontfix 3f2a91 --note "price of the new padding"
  bnnbench alerts reopen 3f2a91
{EXIT_STATUS}""",
)

DevicesOption = Annotated[
    list[str], Parameter(name=["--device", "-d"], negative="", show_default="all", help="Only alerts on this device.")
]
SinceOption = Annotated[
    str | None, Parameter(name="--since", help="Only alerts that began since this date or time, in UTC: 2026-01-31.")
]
AllOption = Annotated[
    bool,
    Parameter(
        name="--all",
        negative="",
        show_default=False,
        help="Also improvements, and alerts that are fixed or will not be.",
    ),
]
IdArgument = Annotated[str, Parameter(help="Id of an alert, or a unique prefix.")]
NoteOption = Annotated[str | None, Parameter(name="--note", help="Note to keep with the alert.")]


@app.command(name="list", help="List open regressions, newest first.")
@app.default
def list_(
    *,
    device: DevicesOption = [],  # noqa: B006 - the parser copies it
    since: SinceOption = None,
    all: AllOption = False,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List regressions and changes of histories, and mark them as known or fixed."""
    from bnnbench.results.alerts.alert import AlertDocument, document

    from .documents.document import text_of
    from .documents.store import AlertList

    results, every = _read(store, device, since)
    shown = [alert for alert in every if all or (alert.is_open and alert.subject.kind == "regression")]
    if json:
        print(text_of(AlertList(alerts=[AlertDocument(**document(alert)) for alert in shown])))
        return
    _print(shown, len(every) - len(shown), results, store)


@app.command
def show(id: IdArgument, /, *, store: StoreOption = None, json: JsonOption = False, debug: DebugOption = False) -> None:
    """Show an alert: size, certainty, first and previous run and commit, and the command that settles it."""
    from bnnbench.results.alerts import find
    from bnnbench.results.alerts.alert import document

    from ..tasks.settle import settling
    from .alert_table import details
    from .documents.document import text_of
    from .documents.store import ShownAlert
    from .next_command import with_store
    from .terminal import Console

    results, every = _read(store)
    alert = find(every, id)
    settle = settling(alert, results)
    command = with_store(settle.command, store)
    if json:
        print(text_of(ShownAlert(**document(alert), settle=command, settle_needs=settle.needs)))
        return
    console = Console()
    details(alert).print(console)
    console.print()
    _say_settling(command, settle.needs, console)


@app.command
def ack(id: IdArgument, /, *, note: NoteOption = None, store: StoreOption = None, debug: DebugOption = False) -> None:
    """Mark an alert as acknowledged: somebody works on it."""
    _decide(id, "acknowledged", note, store)


@app.command
def fix(id: IdArgument, /, *, note: NoteOption = None, store: StoreOption = None, debug: DebugOption = False) -> None:
    """Mark an alert as fixed. If the case gets worse again, that is a new alert."""
    _decide(id, "fixed", note, store)


@app.command
def wontfix(
    id: IdArgument, /, *, note: NoteOption = None, store: StoreOption = None, debug: DebugOption = False
) -> None:
    """Mark an alert as one that nobody will fix."""
    _decide(id, "wontfix", note, store)


@app.command
def reopen(
    id: IdArgument, /, *, note: NoteOption = None, store: StoreOption = None, debug: DebugOption = False
) -> None:
    """Mark an alert as new again."""
    _decide(id, "new", note, store)


def _read(store: Path | None, devices: list[str] | None = None, since: str | None = None) -> tuple[Store, list[Alert]]:
    """Raises CallError for a time that is none, StoreError."""
    from bnnbench.results.alerts import alerts
    from bnnbench.results.store.runs import Store

    from ..errors import CallError

    results = Store(store)
    try:
        return results, alerts(results, since=since, devices=devices or ())
    except ValueError as error:
        raise CallError(f"--since {error}.") from None


def _decide(id: str, state: State, note: str | None, store: Path | None) -> None:
    from bnnbench.results.alerts import find
    from bnnbench.results.alerts.deciding import decide

    from .alert_table import sentence

    results, every = _read(store)
    done = decide(results, find(every, id), state, note)
    print(f"{done.id} is {done.state}: {sentence(done)}")
    if done.note:
        print(f"note: {done.note}")


def _print(shown: list[Alert], others: int, results: Store, store: Path | None) -> None:
    from bnnbench.results.sheet import say

    from ..tasks.settle import settling
    from .alert_table import table
    from .next_command import with_store
    from .terminal import Console

    console = Console()
    kinds = "alert" if len(shown) == 1 else "alerts"
    hidden = f"; {others} more with --all" if others else ""
    if not shown:
        say(console, f"no open regressions in {results.place}{hidden}")
        return
    table(shown).print(console)
    say(console, f"{len(shown)} {kinds} in {results.place}{hidden}", "dim")
    settle = settling(shown[0], results)
    _say_settling(with_store(settle.command, store), settle.needs, console)


def _say_settling(command: str, needs: str | None, console: Console) -> None:
    from bnnbench.results.sheet import say

    say(console, f"to settle it: `{command}`")
    if needs:
        say(console, needs, "dim")


give_own_examples(app)
