"""Writing what was decided about an alert."""

from datetime import UTC, datetime

import msgspec

from bnnbench.results.alerts.alert import Alert
from bnnbench.results.errors import StoreError
from bnnbench.results.store.alert_states import MOST_NOTE, AlertState, State, write_state
from bnnbench.results.store.runs import Store


def decide(store: Store, alert: Alert, state: State, note: str | None = None, now: datetime | None = None) -> Alert:
    """Keeps a decision in the store, and returns the alert with it; `note` None keeps the note that it has.

    Who decided is not kept. Raises StoreError, also for a note that is too long.
    """
    text = alert.note if note is None else note.strip()
    if len(text) > MOST_NOTE:
        raise StoreError(f"the note has {len(text):,} characters: shorten it to {MOST_NOTE:,}")
    changed = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
    kept = AlertState(
        id=alert.id,
        state=state,
        subject=alert.subject,
        first_run=alert.first_run,
        first_created=alert.when,
        until=alert.until,
        changed=changed,
        note=text,
    )
    write_state(store.path, kept)
    store.upload()
    return msgspec.structs.replace(alert, state=state, note=text, changed=changed)
