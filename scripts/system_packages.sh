#!/usr/bin/env bash
# Installs the system packages that tests use, when that is allowed. Tests that miss one are skipped with the reason.
# With the argument `boards`, those of the emulated machines; with `fuzz`, a compiler with sanitizers; with `judges`, what
# CI has beside: login shells, checksum tools and data that boards have, too.
set -u
declare -A package=([sshd]=openssh-server [ssh-keygen]=openssh-client [dropbear]=dropbear-bin
  [qemu-aarch64-static]=qemu-user-static [qemu-aarch64]=qemu-user [chromium]=chromium [tmux]=tmux)
[ "${1:-}" = boards ] && package=([bochs]=bochs [xorriso]=xorriso [cpio]=cpio
  [qemu-system-aarch64]=qemu-system-arm [/usr/lib/ipxe/qemu/efi-virtio.rom]=ipxe-qemu [adb]=adb
  [ssh-keygen]=openssh-client [dropbearkey]=dropbear-bin
  [/usr/share/bochs/BIOS-bochs-latest]=bochsbios [/usr/share/bochs/VGABIOS-lgpl-latest]=vgabios)
[ "${1:-}" = judges ] && package=([busybox]=busybox [toybox]=toybox [openssl]=openssl [nm]=binutils [bash]=bash [dash]=dash
  [mksh]=mksh [fish]=fish [tcsh]=tcsh [llvm-mca-22]=llvm-22
  [/usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz]=dataset-fashion-mnist)
[ "${1:-}" = fuzz ] && package=([clang++-22]=clang-22 [/usr/lib/llvm-22/lib/clang/22/lib/linux/libclang_rt.asan-x86_64.a]=libclang-rt-22-dev)
missing=()
for program in "${!package[@]}"; do
  PATH=$PATH:/usr/sbin command -v "$program" > /dev/null || [ -f "$program" ] || missing+=("${package[$program]}")
done
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" = 0 ]; then root=(); elif sudo -n true 2> /dev/null; then root=(sudo -n); else root=(false); fi
if ! command -v apt-get > /dev/null || [ "${root[*]:-}" = false ]; then
  echo "not installed: ${missing[*]}; the tests that need them will be skipped"
  exit 0
fi
echo "installing for the tests: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1  # no service is started
"${root[@]}" apt-get update -qq > /dev/null 2>&1
"${root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null 2>&1 ||
  echo "could not install ${missing[*]}; the tests that need them will be skipped"
exit 0
