"""For every test: programs that tests start can be interrupted, whatever started the tests."""

from __future__ import annotations

import signal

# A shell starts what runs in the background with SIGINT ignored, and children inherit that, but no handler.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
