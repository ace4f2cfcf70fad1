"""What a newcomer does who has only README.md: every command of two of its sections, printed with its output.

Called as: newcomer.py PROGRAM FOLDER CONFIG. CONFIG stands in for the system's ssh_config: in it pi4.lab is a real
sshd on loopback.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from bnnbench.kernels.models.datasets.sources import open_dataset
from bnnbench.kernels.models.shipped import shipped_models
from tests.devices.sshd import LoopbackSsh
from tests.docs.blocks import ROOT, blocks_of

SECTIONS = ("## First run", "## On your own devices")
IMAGES = 300


def main() -> int:
    program, folder, config = map(Path, sys.argv[1:])
    server = LoopbackSsh(folder / "server")
    try:
        work = folder / "work"
        work.mkdir()
        furnish(work)
        config.write_text(
            f"Host pi4.lab\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
            f"  IdentityFile {server.key}\n  UserKnownHostsFile {server.known_hosts}\n"
        )
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"PATH": f"{program.parent}:{environment['PATH']}", "COLUMNS": "100"}
        for command in commands():
            print(f"$ {command}", flush=True)
            done = subprocess.run(["bash", "-c", command], cwd=work, env=environment, check=False, timeout=500)
            if done.returncode != 0:
                print(f"exit status {done.returncode}")
                return 1
        print(*sorted(str(path.relative_to(work)) for path in work.glob("*.*")))
        return 0
    finally:
        server.stop()


def furnish(work: Path) -> None:
    """Two models of one's own, and labelled images."""
    models = shipped_models()
    (work / "small.tflite").write_bytes(Path(models["quicknet_xs"]).read_bytes())
    (work / "large.tflite").write_bytes(Path(models["quicknet_m"]).read_bytes())
    data = open_dataset("fashion-mnist")
    assert data.preprocessing is not None
    np.savez(
        work / "photos.npz",
        images=np.asarray(data.images[:IMAGES]),
        labels=np.asarray(data.labels[:IMAGES]),
        scale=data.preprocessing.scale,
        offset=data.preprocessing.offset,
    )


def commands() -> list[str]:
    """Of the README's sections; the account is the test's own."""
    text = (ROOT / "README.md").read_text()
    sections = [part for part in text.split("\n## ") if f"## {part.splitlines()[0]}" in SECTIONS]
    blocks = [block for part in sections for block in blocks_of(ROOT / "README.md", "## " + part)]
    lines = [line for block in blocks if block.language == "sh" for line in block.commands]
    return [line.replace("ssh://pi@pi4.lab", "ssh://pi4.lab") for line in lines]


if __name__ == "__main__":
    sys.exit(main())
