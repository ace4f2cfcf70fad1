"""How long a case is timed where a suite does not say it. Constants of their own, so that tests can be quicker."""

MIN_SAMPLE_MS = 5.0
WARMUP_MS = 300.0
