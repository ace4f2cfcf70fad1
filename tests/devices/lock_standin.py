"""A stand-in for the engine's `lock` role, for tests: holds `flock` on a file until its stdin ends.

Usage: lock_standin.py FILE [hang | rubbish | die]
"""

from __future__ import annotations

import fcntl
import json
import sys
import time
from pathlib import Path


def main() -> None:
    fault = sys.argv[2] if len(sys.argv) > 2 else ""
    if fault == "hang":
        time.sleep(60)
    if fault == "nested":
        print("[" * 100_000, flush=True)
    if fault == "rubbish":
        print("I am no JSON", flush=True)
    if fault == "die":
        sys.exit("no permission")
    with Path(sys.argv[1]).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(json.dumps({"ok": False, "error": "held by ann@desk since 12:30"}), flush=True)
            return
        print(json.dumps({"ok": True}), flush=True)
        sys.stdin.read()


main()
