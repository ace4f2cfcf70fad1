"""How an accuracy is written. Its home is `bnnbench.results.metrics`; some callers still find it here."""

from bnnbench.results.metrics import accuracy_text as accuracy_text
