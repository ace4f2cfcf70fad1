"""Downloads packages of others, and prints what bnnbench makes of each distinct `.tflite` file in them.

`python -m tests.wild [FOLDER]`: archives and models are kept in FOLDER, or else in a temporary one.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bnnbench.results.printable import printable

from .archives import models
from .packages import downloaded
from .verdicts import verdict


def main(folder: Path) -> None:
    """Prints a row per file as it is judged, and the sums."""
    kept = folder / "models"
    kept.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    counts: Counter[str] = Counter()
    print("verdict | difference / range | bytes | package | file | why")
    for package, archive in downloaded(folder):
        for name, content in models(archive):
            sha = hashlib.sha256(content).hexdigest()
            if sha in seen:
                continue
            seen.add(sha)
            path = kept / f"{sha[:16]}.tflite"
            path.write_bytes(content)
            row = verdict(path)
            counts[row.verdict] += 1
            difference = "" if row.difference is None else f"{row.difference:.1e}"
            words = [row.verdict, difference, f"{len(content):,}", package, name, row.why]
            print(" | ".join(printable(word) for word in words), flush=True)
    print(f"{len(seen)} files: " + ", ".join(f"{count} {what}" for what, count in counts.most_common()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="bnnbench-wild-") as made:
            main(Path(made))
