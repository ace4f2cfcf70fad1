"""Which decision belongs to which alert.

A history with more runs may place the same change point some runs earlier or later. A decision belongs to the alert of
the same case, metric and kind that began at its run, or else to the nearest one that began at most `NEAR` runs away. An
alert that began after all runs that were known when it was decided is another one. Each decision belongs to one alert
and each alert has one; the nearest pairs come first. The alert then has the id of the decision, so it keeps its id.
"""

from bisect import bisect_left
from collections.abc import Iterable

import msgspec

from bnnbench.results.alerts.alert import Alert
from bnnbench.results.store.alert_states import AlertState, Subject


def with_states(alerts: Iterable[Alert], states: Iterable[AlertState]) -> list[Alert]:
    """The alerts, in their order, with what was decided about them."""
    found = list(alerts)
    by_subject: dict[Subject, list[int]] = {}
    for place, alert in enumerate(found):
        by_subject.setdefault(alert.subject, []).append(place)
    pairs = []
    decided = list(states)
    for number, state in enumerate(decided):
        for place in by_subject.get(state.subject, ()):
            distance = _distance(found[place], state)
            if distance is not None:
                pairs.append((distance, found[place].when, number, place))
    used: set[int] = set()
    taken: set[int] = set()
    for _, _, number, place in sorted(pairs):
        if number not in used and place not in taken:
            used.add(number)
            taken.add(place)
            state = decided[number]
            found[place] = msgspec.structs.replace(
                found[place], id=state.id, state=state.state, note=state.note, changed=state.changed
            )
    return found


def _distance(alert: Alert, state: AlertState) -> int | None:
    """How many runs lie between the places of the two; None where they are not the same."""
    if alert.when > state.until or not alert.near:
        return None
    places = [near.run_id for near in alert.near]
    center = places.index(alert.first_run)
    if state.first_run in places:
        return abs(places.index(state.first_run) - center)
    # The run was removed meanwhile: by its time.
    moments = [near.created for near in alert.near]
    if not moments[0] <= state.first_created <= moments[-1]:
        return None
    return abs(bisect_left(moments, state.first_created) - center)
