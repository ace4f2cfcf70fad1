"""What got worse or better, since which run and commit, and what people decided about it."""

from bnnbench.results.alerts.alert import Alert
from bnnbench.results.alerts.in_history import case_alerts
from bnnbench.results.alerts.in_store import alerts, find
from bnnbench.results.alerts.matching import with_states

__all__ = ["Alert", "alerts", "case_alerts", "find", "with_states"]
