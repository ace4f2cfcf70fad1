"""An alert: a change of one metric of one case that is sure enough to be shown."""

import hashlib
import json
from typing import Any

import msgspec

from bnnbench.results.store.alert_states import State, Subject

_DIGITS = 12
_NOT_SHOWN = ("subject", "near")


class NearRun(msgspec.Struct, frozen=True):
    """A run of the case, and when it began (ISO 8601 in UTC)."""

    run_id: str
    created: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A change with its size, certainty and place.

    `effect` is a ratio minus 1 of `after` and `before` (in `unit`), of accuracies their difference (`effect_unit`);
    `low` to `high` is its interval, and `level` the probability that the interval holds the true effect. `confidence`
    is that of the change itself: of a history 1 - p of its change point, of verdicts the level of their interval.
    `runs_before` and `runs_since` are the numbers of runs that it rests on: of a history those of the two parts, of
    verdicts the comparisons before it and from it on.

    `first_run` is the first run with the new figures (of a regression the first bad one), begun at `when`;
    `previous_run` and `previous_commit` are the last ones before it, None where not known. `is_current` says that
    nothing has changed since: the last comparison gives the same verdict, or the history has no later change.
    `until` is when the newest run of the case began. `near` are runs of the case at which the same change may be placed
    when more runs are known.
    """

    id: str
    subject: Subject
    unit: str
    effect_unit: str
    effect: float
    low: float | None
    high: float | None
    level: float | None
    before: float | None
    after: float | None
    confidence: float | None
    runs_before: int
    runs_since: int
    pairs: int | None
    first_run: str
    first_commit: str | None
    previous_run: str | None
    previous_commit: str | None
    when: str
    until: str
    is_current: bool
    why: str | None = None
    state: State = "new"
    note: str = ""
    changed: str | None = None
    near: list[NearRun] = []

    @property
    def is_open(self) -> bool:
        """Whether somebody may still have to do something: it is new or acknowledged."""
        return self.state in ("new", "acknowledged")

    @property
    def former_ids(self) -> list[str]:
        """The ids that it may have had when fewer runs were known, the likeliest first."""
        places = [near.run_id for near in self.near]
        center = places.index(self.first_run) if self.first_run in places else 0
        order = sorted(range(len(places)), key=lambda place: abs(place - center))
        ids = [alert_id(self.subject, places[place]) for place in order]
        return [one for one in dict.fromkeys(ids) if one != self.id]


def alert_id(subject: Subject, first_run: str) -> str:
    """A short digest of what an alert is about and where it began."""
    words = [*(getattr(subject, name) for name in Subject.__struct_fields__), first_run]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:_DIGITS]


AlertDocument = msgspec.defstruct(
    "AlertDocument",
    [
        ("id", str),
        *((one.encode_name, one.type) for one in msgspec.structs.fields(Subject)),
        *((one.encode_name, one.type) for one in msgspec.structs.fields(Alert) if one.name not in ("id", *_NOT_SHOWN)),
    ],
    namespace={"__doc__": "An alert as JSON shows it: flat, without `near`."},
    module=__name__,
    frozen=True,
    kw_only=True,
)


def document(alert: Alert) -> dict[str, Any]:
    """The alert as JSON shows it, in plain values."""
    values = {name: getattr(alert, name) for name in alert.__struct_fields__ if name not in _NOT_SHOWN}
    return msgspec.structs.asdict(AlertDocument(**msgspec.structs.asdict(alert.subject), **values))
