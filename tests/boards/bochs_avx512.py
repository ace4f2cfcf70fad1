"""A PC with AVX-512 VPOPCNTDQ in the Bochs emulator: boots Linux, runs one script, hands back what it printed.

Debian's cloud kernel and an initramfs of busybox and the files under test make a bootable CD. The guest's second
serial port carries the script's output, packed; the first one is the console, which errors quote.
"""

from __future__ import annotations

import base64
import gzip
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from bnnbench.kernels.cache import cache_folder

PROGRAMS = {
    "bochs": "bochs",
    "xorriso": "xorriso",
    "cpio": "cpio",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
    "apt-cache": "apt",
}
"""Program -> its Debian package."""
FIRMWARE = {
    Path("/usr/share/bochs/BIOS-bochs-latest"): "bochsbios",
    Path("/usr/share/bochs/VGABIOS-lgpl-latest"): "vgabios",
}

CPU_MODEL = "corei7_icelake_u"
INSTRUCTIONS_PER_SECOND = 50_000_000  # of the guest's clock; the host's real speed is about that
DOWNLOAD_S = 300
# Bochs 2.7's processor contradicts itself, and Linux believes it:
# - its xsave areas are neither compacted as it says nor do they hold the protection keys' state (xsavec, xsaves, pku);
# - it has short fast `rep movsb` but not the long one, for which the kernel's memmove writes past its end (fsrm).
KERNEL_COMMAND_LINE = (
    "console=ttyS0 quiet audit=0 mitigations=off tsc=reliable random.trust_cpu=on lsm=capability "
    "clearcpuid=xsavec,xsaves,pku,fsrm"
)

BOCHSRC = f"""\
plugin_ctrl: unmapped=1, biosdev=1, serial=1, speaker=0, parallel=0
cpu: model={CPU_MODEL}, count=1, ips={INSTRUCTIONS_PER_SECOND}
memory: guest=256, host=256
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
display_library: rfb, options="timeout=0"
com1: enabled=1, mode=file, dev=console.txt
com2: enabled=1, mode=file, dev=output.txt
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=boot.iso, status=inserted
boot: cdrom
clock: sync=none
log: bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
"""

ISOLINUX = f"""\
DEFAULT linux
PROMPT 0
LABEL linux
  KERNEL /vmlinuz
  APPEND initrd=/initrd {KERNEL_COMMAND_LINE}
"""

# Closing a serial port waits until it is empty, so nothing is lost at the power-off.
INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
cd /work
/bin/busybox sh ./script > /output
echo "exit status $?" >> /output
/bin/busybox gzip -c /output | /bin/busybox base64 > /dev/ttyS1
/bin/busybox poweroff -f
"""


class BochsError(Exception):
    """One sentence: what of the emulated PC failed."""


@dataclass(frozen=True, slots=True)
class BootFiles:
    """What of Debian goes onto the CD."""

    kernel: Path
    busybox: Path
    isolinux: Path
    ldlinux: Path


def missing() -> list[str]:
    """Debian packages that the host lacks."""
    packages = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    packages += [package for path, package in FIRMWARE.items() if not path.exists()]
    return list(dict.fromkeys(packages))


def fetch_boot_files(folder: Path) -> BootFiles:
    """Kernel, boot loader and busybox, from the distribution's archive the first time. Raises BochsError."""
    files = BootFiles(folder / "vmlinuz", folder / "busybox", folder / "isolinux.bin", folder / "ldlinux.c32")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            complete = _unpack_boot_files(Path(scratch))
            try:
                complete.rename(folder)
            except OSError:  # another test run was faster
                if not folder.exists():
                    raise
    return files


def boot_files_or_skip() -> BootFiles:
    """For tests: what a boot needs, from the cache; skips the test with the reason where it can't be had."""
    if missing():
        pytest.skip(f"not installed, which emulating an AVX-512 processor needs: {', '.join(missing())}")
    try:
        return fetch_boot_files(cache_folder() / "boards" / "bochs")
    except BochsError as error:
        pytest.skip(str(error))


def run_in_bochs(boot: BootFiles, files: Mapping[str, Path], script: str, scratch: Path, deadline_s: float) -> str:
    """Runs `script` in the guest's /work, where `files` lie under their names; its stdout. Raises BochsError."""
    _write_iso(boot, files, script, scratch)
    (scratch / "bochsrc").write_text(BOCHSRC)
    (scratch / "continue").write_text("c\n")  # Debian's build starts in its debugger
    log = _run_until_power_off(["bochs", "-q", "-f", "bochsrc", "-rc", "continue"], scratch, deadline_s)
    try:
        output = gzip.decompress(base64.b64decode((scratch / "output.txt").read_bytes())).decode()
    except (OSError, ValueError, EOFError) as error:
        raise BochsError(f"the emulated PC handed back no output; its console ended with: {log}") from error
    body, separator, status = output.rpartition("exit status ")
    if not separator or status.strip() != "0":
        raise BochsError(f"the script in the emulated PC ended with {status.strip()}; its console: {log}")
    return body


def _unpack_boot_files(scratch: Path) -> Path:
    depends = _call(["apt-cache", "depends", "--important", "linux-image-cloud-amd64"], scratch)
    kernels = [word for word in depends.split() if word.startswith("linux-image-") and word.endswith("-cloud-amd64")]
    _call(["apt-get", "download", max(kernels, key=len), "busybox-static", "isolinux", "syslinux-common"], scratch)
    for package in scratch.glob("*.deb"):
        _call(["dpkg-deb", "-x", str(package), "root"], scratch)
    root, complete = scratch / "root", scratch / "complete"
    complete.mkdir()
    sources = [
        "boot/vmlinuz-*",
        "bin/busybox",
        "usr/lib/ISOLINUX/isolinux.bin",
        "usr/lib/syslinux/modules/bios/ldlinux.c32",
    ]
    for field, pattern in zip(fields(BootFiles), sources, strict=True):
        found = sorted(root.glob(pattern))
        if not found:
            raise BochsError(f"the distribution's packages hold no {pattern}, the {field.name} to boot with.")
        name = "vmlinuz" if field.name == "kernel" else found[0].name
        shutil.copy(found[0], complete / name)
    return complete


def _write_iso(boot: BootFiles, files: Mapping[str, Path], script: str, scratch: Path) -> None:
    disc, image = scratch / "disc", scratch / "initramfs"
    for folder in (disc / "isolinux", image / "bin", image / "dev", image / "work"):
        folder.mkdir(parents=True)
    shutil.copy(boot.busybox, image / "bin" / "busybox")
    (image / "init").write_text(INIT)
    (image / "init").chmod(0o755)
    for name, path in files.items():
        shutil.copy(path, image / "work" / name)
    (image / "work" / "script").write_text(script)
    names = "\n".join(path.relative_to(image).as_posix() for path in sorted(image.rglob("*")))
    (disc / "initrd").write_bytes(_call_bytes(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], image, names))
    shutil.copy(boot.kernel, disc / "vmlinuz")
    shutil.copy(boot.isolinux, disc / "isolinux" / "isolinux.bin")
    shutil.copy(boot.ldlinux, disc / "isolinux" / "ldlinux.c32")
    (disc / "isolinux" / "isolinux.cfg").write_text(ISOLINUX)
    loader = ["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"]
    no_emulation = ["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
    _call(["xorriso", "-as", "mkisofs", "-quiet", "-o", "boot.iso", *loader, *no_emulation, "disc"], scratch)


def _run_until_power_off(command: Sequence[str], folder: Path, deadline_s: float) -> str:
    """The console's end. A power-off ends Bochs with an error status, so the status says nothing."""
    with (folder / "stdout.txt").open("wb") as stdout:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stdout, start_new_session=True
        )
        try:
            process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            log = _console_end(folder)
            raise BochsError(
                f"the emulated PC was still running after {deadline_s:.0f} s; its console: {log}"
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return _console_end(folder)


def _console_end(folder: Path) -> str:
    console = folder / "console.txt"
    lines = console.read_text(errors="replace").splitlines() if console.exists() else []
    return " | ".join(line.strip() for line in lines[-5:]) or "(nothing)"


def _call(command: Sequence[str], folder: Path) -> str:
    return _call_bytes(command, folder).decode(errors="replace")


def _call_bytes(command: Sequence[str], folder: Path, stdin: str = "") -> bytes:
    try:
        done = subprocess.run(
            command, cwd=folder, input=stdin.encode(), capture_output=True, check=False, timeout=DOWNLOAD_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BochsError(f"{command[0]} could not be run for the emulated PC: {error}") from error
    if done.returncode:
        message = " ".join(done.stderr.decode(errors="replace").split()) or f"exit status {done.returncode}"
        raise BochsError(f"{' '.join(command[:2])} failed for the emulated PC: {message[-300:]}")
    return done.stdout
