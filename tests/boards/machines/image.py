"""The two root file systems: a small Raspberry-Pi-like Linux, and one laid out like Android with Termux.

Both are initramfs images for Debian's arm64 kernel. The Pi's cpufreq files and its power sensor are made
up (RAM disks over /sys/devices/system/cpu and /sys/class/hwmon, labelled in its os-release): an emulated one has none.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from .cpio import Cpio
from .packages import fetch

PI_USER, PI_UID = "pi", 1000
TERMUX_USER, TERMUX_UID, SHELL_UID = "u0_a123", 10123, 2000
TERMUX = "data/data/com.termux/files"
LIBRARIES = (
    "ld-linux-aarch64.so.1", "libc.so.6", "libcrypt.so.1", "libtomcrypt.so.1", "libtommath.so.1", "libgmp.so.10",
    "libz.so.1", "libcrypto.so.3", "libselinux.so.1", "libpcre2-8.so.0",
)  # fmt: skip
ANDROID_LIBRARIES = (
    "libbase.so.0", "libcrypto.so.0", "libssl.so.0", "libcutils.so.0", "liblog.so.0", "libbrotlidec.so.1",
    "libbrotlienc.so.1", "libbrotlicommon.so.1", "liblz4.so.1", "libprotobuf.so.32", "libstdc++.so.6",
    "libgcc_s.so.1", "libm.so.6", "libresolv.so.2", "libsystemd.so.0", "libzstd.so.1", "libcap.so.2",
    "libgcrypt.so.20", "libgpg-error.so.0", "liblzma.so.5",
)  # fmt: skip
MODULES = (
    "virtio_net", "virtio_mmio", "virtio_pci", "virtio-rng",
    "dwc2", "phy-generic", "cdc_ether", "rndis_host", "bcm2835_thermal", "raspberrypi-cpufreq", "clk-raspberrypi",
    "bcm2835-rng", "raspberrypi-hwmon", "bcm2835-power", "reset-raspberrypi", "8250_bcm2835aux", "bcm2835-mailbox",
)  # fmt: skip

BOOT = r"""#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
$B mkdir -p /dev/pts /dev/shm; $B mount -t devpts devpts /dev/pts; $B mount -t tmpfs shm /dev/shm
for m in $($B cat /lib/modules/order); do $B insmod /lib/modules/$m 2>/dev/null; done
$B ip link set lo up
case "$($B tr -d '\000' </proc/device-tree/model)" in
  # The emulated USB network adapter holds one packet: one segment in flight at a time.
  *"Pi 3"*) $B sysctl -q -w net.ipv4.tcp_rmem="4096 4096 4096" ;;
esac
IF=
while [ -z "$IF" ]; do
  for i in /sys/class/net/*; do i=${i##*/}; case $i in lo|sit*|tunl*) ;; *) IF=$i ;; esac; done
  [ -n "$IF" ] || $B usleep 50000
done
$B ip link set $IF up; $B ip addr add 10.0.2.15/24 dev $IF; $B ip route add default via 10.0.2.2
"""
WAIT = "exec $B sh -c 'while :; do /bin/busybox sleep 1000; done'\n"

PI_INIT = rf"""
$B --install -s /bin
$B hostname emulated-pi
# A small disk for the work folder, so that it can be full; everything else is RAM as well.
$B mount -t tmpfs -o size=48m,uid={PI_UID},gid={PI_UID} disk /small
c=/cpu; mkdir $c; mount -t tmpfs cpu $c
for f in online possible present; do cat /sys/devices/system/cpu/$f > $c/$f; done
for p in /sys/devices/system/cpu/cpu[0-9]*; do
  n=${{p##*/}}; d=$c/$n/cpufreq; mkdir -p $d $c/$n/topology
  cat $p/topology/thread_siblings_list > $c/$n/topology/thread_siblings_list
  echo ondemand > $d/scaling_governor; echo "ondemand performance powersave" > $d/scaling_available_governors
  echo 600000 > $d/scaling_cur_freq; echo 600000 > $d/cpuinfo_min_freq; echo 1800000 > $d/cpuinfo_max_freq
  echo 600000 > $d/scaling_min_freq; echo 1800000 > $d/scaling_max_freq
  chown -R {PI_UID} $d
done
mount --bind $c /sys/devices/system/cpu
w=/hwmon; mkdir -p $w; mount -t tmpfs hwmon $w; mkdir $w/hwmon0
echo ina260 > $w/hwmon0/name; echo 4310000 > $w/hwmon0/power1_input
mount --bind $w /sys/class/hwmon
/usr/sbin/dropbear -E -s -r /etc/dropbear/hostkey -p 22
"""

PROPERTIES = {
    "ro.product.model": "Pixel 8 (emulated)",
    "ro.product.manufacturer": "Google",
    "ro.board.platform": "zuma",
    "ro.soc.model": "Tensor G3",
    "ro.soc.manufacturer": "Google",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
    "ro.product.cpu.abilist": "arm64-v8a",
    "ro.hostile": "a'b\"c $(touch /data/local/tmp/owned) `id`; rm x",
    "ro.build.fingerprint": "emulated/not-a-device",
}
GETPROP = r"""#!/system/bin/sh
while IFS='=' read -r k v; do
  if [ $# -eq 0 ]; then print -r -- "[$k]: [$v]"; elif [ "$k" = "$1" ]; then print -r -- "$v"; exit 0; fi
done </system/build.prop
[ $# -eq 0 ] || print -r -- "${2:-}"
"""
# Android's own settings, made up: they keep what they are given.
SETTINGS = r"""#!/system/bin/sh
f=/data/local/tmp/.$2-$3
case $1 in get) cat $f 2>/dev/null || print 0 ;; put) print -r -- "$4" > $f ;; esac
"""
CMD = r"""#!/system/bin/sh
print -r -- "$*" >> /data/local/tmp/.cmd
"""
TERMUX_TOOLS = (
    "ls cat uname id env grep nproc sort uniq which tr taskset nice chmod mkdir rm cp mv head tail wc sha256sum echo "
    "sleep kill ps dd df date stat timeout mktemp test true false printf cut sed tee touch readlink pwd find od xargs"
)
ANDROID_INIT = rf"""
for a in $(/system/bin/toybox); do [ -e /system/bin/$a ] || $B ln -s toybox /system/bin/$a; done
$B mount -t tmpfs -o noexec,nosuid,size=64m,uid={TERMUX_UID},gid={TERMUX_UID} sdcard /sdcard
$B chmod 0400 /proc/stat; echo 3 > /proc/sys/kernel/perf_event_paranoid
$B hostname localhost
export PATH=/{TERMUX}/usr/bin:/system/bin PREFIX=/{TERMUX}/usr TMPDIR=/{TERMUX}/usr/tmp ANDROID_ROOT=/system
/system/bin/dropbear -E -s -r /etc/dropbear/hostkey -p 8022
(cd /data/local/tmp; HOME=/data/local/tmp PATH=/system/bin ADBD_PORT=5555 /system/bin/adbd >/dev/null 2>/adbd.log &)
"""


def images(cache: Path) -> dict[str, Path]:
    """`kernel`, `pi`, `android` (compressed initramfs) and `raspi3b` (device tree). Built once. Raises Unavailable."""
    root = fetch(cache)
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = cache / f"images-{key}"
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    (tree,) = root.glob("usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb")
    found = {"kernel": kernel, "raspi3b": tree}
    for name, fill in (("pi", _pi), ("android", _android)):
        found[name] = folder / f"{name}.cpio.gz"
        if not found[name].exists():
            folder.mkdir(parents=True, exist_ok=True)
            archive = Cpio()
            fill(archive, root)
            part = found[name].with_suffix(".part")
            part.write_bytes(gzip.compress(archive.finished(), 6, mtime=0))
            part.rename(found[name])
    return found


def overlay(machine: str, host_key: bytes, public_key: bytes) -> bytes:
    """What one session adds to an image: the server's key and who may log in."""
    home, owner = {"pi": (f"home/{PI_USER}", PI_UID), "android": (f"{TERMUX}/home", TERMUX_UID)}[machine]
    archive = Cpio(frozenset({"etc", "root", home}))
    archive.file("etc/dropbear/hostkey", host_key, 0o600)
    for folder, user in ((home, owner), ("root", 0)):
        archive.folder(f"{folder}/.ssh", 0o700, user)
        archive.file(f"{folder}/.ssh/authorized_keys", public_key, 0o600, user)
    return archive.finished()


def _pi(archive: Cpio, root: Path) -> None:
    _common(archive, root, "lib", lambda data: data, "usr/sbin/dropbear")
    archive.link("bin/sh", "busybox")
    archive.folder("tmp", 0o1777)
    archive.folder("small")
    archive.folder(f"home/{PI_USER}", 0o755, PI_UID)
    _users(archive, f"{PI_USER}:x:{PI_UID}:{PI_UID}::/home/{PI_USER}:/bin/sh\n", "/bin/sh\n")
    archive.file(
        "etc/os-release",
        'PRETTY_NAME="emulated Pi (Debian arm64 kernel, made-up cpufreq and power sensor)"\nID=emulated\n',
    )
    archive.file("init", BOOT + PI_INIT + WAIT, 0o755)


def _android(archive: Cpio, root: Path) -> None:
    # A loader elsewhere than where Linux programs look for it: as on Android, they do not start.
    def elsewhere(data: bytes) -> bytes:
        old, new = b"/lib/ld-linux-aarch64.so.1", b"/system/lib64/ld-linux.so"
        return data.replace(old + b"\0", new.ljust(len(old), b"\0") + b"\0")

    _common(archive, root, "usr/lib", elsewhere, "system/bin/dropbear")
    for name in ANDROID_LIBRARIES:
        archive.file(f"usr/lib/{name}", _library(root, name), 0o755)
    archive.file("system/lib64/ld-linux.so", _library(root, "ld-linux-aarch64.so.1"), 0o755)
    archive.file("system/bin/adbd", elsewhere(_found(root, "adbd", "platform-tools").read_bytes()), 0o755)
    archive.file("system/bin/toybox", elsewhere((root / "bin/toybox").read_bytes()), 0o755)
    archive.file("system/bin/sh", (root / "usr/lib/aarch64-linux-musl/bin/mksh").read_bytes(), 0o755)
    archive.link("bin/sh", "/system/bin/sh")
    archive.file("system/build.prop", "".join(f"{key}={value}\n" for key, value in PROPERTIES.items()))
    for name, script in (("getprop", GETPROP), ("settings", SETTINGS), ("cmd", CMD)):
        archive.file(f"system/bin/{name}", script, 0o755)
    for path in (
        "data/data/com.termux",
        TERMUX,
        *(f"{TERMUX}/{name}" for name in ("home", "usr", "usr/bin", "usr/tmp")),
    ):
        archive.folder(path, 0o700, TERMUX_UID)
    archive.folder("data/local/tmp", 0o771, SHELL_UID)
    archive.folder("sdcard", 0o770, TERMUX_UID)
    home = f"/{TERMUX}/home"
    login = (
        f"#!/system/bin/sh\nexport HOME={home} PREFIX=/{TERMUX}/usr PATH=/{TERMUX}/usr/bin TMPDIR=/{TERMUX}/usr/tmp "
        'ANDROID_ROOT=/system ANDROID_DATA=/data EXTERNAL_STORAGE=/sdcard\nexec /system/bin/sh "$@"\n'
    )
    archive.file(f"{TERMUX}/usr/bin/login", login, 0o755, TERMUX_UID)
    for tool in ("sh", "getprop"):
        archive.link(f"{TERMUX}/usr/bin/{tool}", f"/system/bin/{tool}")
    for tool in TERMUX_TOOLS.split():
        archive.link(f"{TERMUX}/usr/bin/{tool}", "/system/bin/toybox")
    lines = (
        f"{TERMUX_USER}:x:{TERMUX_UID}:{TERMUX_UID}::{home}:/{TERMUX}/usr/bin/login\n"
        f"shell:x:{SHELL_UID}:{SHELL_UID}::/data/local/tmp:/system/bin/sh\n"
    )
    _users(archive, lines, f"/system/bin/sh\n/{TERMUX}/usr/bin/login\n")
    archive.file("etc/mkshrc", "")
    archive.file("init", BOOT + ANDROID_INIT + WAIT, 0o755)


def _common(archive: Cpio, root: Path, libraries: str, adapt: Callable[[bytes], bytes], dropbear: str) -> None:
    for folder in ("proc", "sys", "dev", "run", "root"):
        archive.folder(folder)
    archive.device("dev/console", 0o600, 5, 1)
    archive.device("dev/null", 0o666, 1, 3)
    archive.file("bin/busybox", (root / "bin/busybox").read_bytes(), 0o755)
    for name in LIBRARIES:
        if libraries == "lib" or not name.startswith("ld-"):
            archive.file(f"{libraries}/{name}", _library(root, name), 0o755)
    archive.file(dropbear, adapt((root / "usr/sbin/dropbear").read_bytes()), 0o755)
    archive.file("usr/lib/sftp-server", adapt((root / "usr/lib/openssh/sftp-server").read_bytes()), 0o755)
    modules = {path.name.removesuffix(".ko"): path for path in root.glob("lib/modules/*/kernel/**/*.ko")}
    order: list[str] = []
    for module in MODULES:
        _with_dependencies(module, modules, order)
    for module in order:
        archive.file(f"lib/modules/{module}.ko", modules[module].read_bytes())
    archive.file("lib/modules/order", "".join(f"{module}.ko\n" for module in order))


def _with_dependencies(name: str, modules: dict[str, Path], order: list[str]) -> None:
    """Adds a module after those that it names in its own `depends=`; one that is built into the kernel has no file."""
    name = next((each for each in (name, name.replace("_", "-"), name.replace("-", "_")) if each in modules), "")
    if not name or name in order:
        return
    told = re.search(rb"\0depends=([^\0]*)\0", modules[name].read_bytes())
    for other in told[1].decode().split(",") if told else []:
        _with_dependencies(other, modules, order)
    order.append(name)


def _users(archive: Cpio, lines: str, shells: str) -> None:
    archive.file("etc/passwd", f"root:x:0:0:root:/root:/bin/sh\n{lines}")
    names = [line.split(":")[0] for line in lines.splitlines()]
    archive.file("etc/shadow", "".join(f"{name}:*:19000:0:99999:7:::\n" for name in ("root", *names)), 0o640)
    archive.file(
        "etc/group", "root:x:0:\n" + "".join(":".join(line.split(":")[:3]) + ":\n" for line in lines.splitlines())
    )
    archive.file("etc/shells", shells)


def _library(root: Path, name: str) -> bytes:
    return _found(root, name, "").read_bytes()


def _found(root: Path, name: str, within: str) -> Path:
    """The first file of that name whose path holds `within`; links that lead out of `root` are this machine's files."""
    root = root.resolve()
    found = (path.resolve() for path in sorted(root.rglob(name)) if within in str(path))
    return next(path for path in found if path.is_file() and path.is_relative_to(root))
