"""A native engine whose `infer` is wrong for one image: it stands between the harness and the real one."""

import re
import struct
import subprocess
import sys

inner = subprocess.Popen(["@NATIVE@", *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert inner.stdin is not None
assert inner.stdout is not None
for line in sys.stdin:
    inner.stdin.write(line)
    inner.stdin.flush()
    if line.strip() == "quit":
        break
    answer = inner.stdout.readline()
    if line.startswith("infer "):
        path = re.search(r" output=(\S+)", line)
        assert path is not None
        with open(path[1], "r+b") as file:  # noqa: PTH123
            scores = list(struct.unpack("<10f", file.read(40)))
            file.seek(0)
            file.write(struct.pack("<10f", *(-score for score in scores)))
    print(answer, end="", flush=True)
