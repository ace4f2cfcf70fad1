"""What is asked of a device: one POSIX script that prints everything the facts are made of.

Each section is a line `TOKEN NAME STATUS SOURCE` and then whatever the file or command said. TOKEN is a fresh
random word, so that no file's content can pass for a section.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TOOLS = (
    "python3", "perf", "taskset", "vcgencmd", "sudo", "getprop", "dumpsys", "stdbuf", "timeout", "setsid",
    "sha256sum", "openssl", "toybox", "busybox", "adb", "docker", "stress-ng",
)  # fmt: skip

SCRIPT = r"""
T=$1
LC_ALL=C; export LC_ALL
sec() {
  n=$1; s=$2; shift 2
  v=$("$@" 2>/dev/null); r=$?
  printf '%s %s %s %s\n%s\n' "$T" "$n" "$r" "$s" "$v"
}
file() { sec "$1" "$2" cat "$2"; }
both() { "$@" 2>&1; }
text() { tr '\000' '\n' < "$1"; }
each() {
  printf '%s %s 0 %s\n' "$T" "$1" "$2"; shift 2
  for p in "$@"; do
    v=
    { IFS= read -r v < "$p" || [ -n "$v" ]; } 2>/dev/null && printf '%s\t%s\n' "$p" "$v"
  done
}
header() {
  for p in /bin/sh /system/bin/sh "${SHELL:-/bin/sh}"; do
    [ -r "$p" ] && od -An -v -tx1 -N52 "$p" && return 0
  done
  return 1
}
# $1 status section's allowed CPUs, $2 those that are online: one line for each of the others that a process gets when
# it asks for it.
settable() {
  command -v taskset > /dev/null 2>&1 || return 1
  have=" $(expand "$1" | tr '\n' ' ')"; tries=64
  for n in $(expand "$2"); do
    case $have in *" $n "*) continue ;; esac
    [ "$tries" -gt 0 ] || break
    tries=$((tries - 1)); digit=1; i=$((n % 4))
    while [ "$i" -gt 0 ]; do digit=$((digit * 2)); i=$((i - 1)); done
    mask=$digit; i=$((n / 4))
    while [ "$i" -gt 0 ]; do mask=${mask}0; i=$((i - 1)); done
    l=$(taskset -c "$n" cat /proc/self/status 2> /dev/null || taskset "$mask" cat /proc/self/status 2> /dev/null)
    case $(echo "$l" | grep Cpus_allowed_list) in *[!0-9]"$n") echo "$n" ;; esac
  done
}
expand() {
  for r in $(echo "$1" | tr ',' ' '); do
    a=${r%-*}; b=${r#*-}
    while [ "$a" -le "$b" ]; do echo "$a"; a=$((a + 1)); done
  done
}
# Files of this process's control groups, from its own up to the root: $1 controller, then file names. One line for each
# line of a file, the folders of the kernel's second version before those of the first.
groups() {
  controller=$1; shift
  while read -r _ _ _ root mount rest; do
    case $rest in
      *" - cgroup2 "*) version=0 ;;
      *" - cgroup "*) case ",${rest##* }," in *",$controller,"*) version=1 ;; *) continue ;; esac ;;
      *) continue ;;
    esac
    while IFS=: read -r _ names path; do
      case $version,$names in
        0,) ;;
        1,?*) case ",$names," in *",$controller,"*) ;; *) continue ;; esac ;;
        *) continue ;;
      esac
      path=${path#"${root%/}"}; folder=$mount${path%/}
      echo "$folder	group"
      while :; do
        for f in "$@"; do
          while IFS= read -r v; do printf '%s\t%s\n' "$folder/$f" "$v"; done 2> /dev/null < "$folder/$f"
        done
        case $folder in "$mount"/?*) folder=${folder%/*} ;; *) break ;; esac
      done
    done < /proc/self/cgroup
  done < /proc/self/mountinfo
}
which_tools() { for t in "$@"; do command -v "$t"; done; return 0; }
main() {
  sec uname_m 'uname -m' uname -m
  sec uname_s 'uname -s' uname -s
  sec uname_r 'uname -r' uname -r
  file os_release /etc/os-release
  sec model /proc/device-tree/model text /proc/device-tree/model
  sec compatible /proc/device-tree/compatible text /proc/device-tree/compatible
  each dmi /sys/class/dmi/id /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name
  for k in ro.product.manufacturer ro.product.model ro.build.version.release ro.soc.model; do
    sec "prop.$k" "getprop $k" getprop "$k"
  done
  sec elf 'ELF header of /bin/sh' header
  sec long_bit 'getconf LONG_BIT' getconf LONG_BIT
  sec page_size 'getconf PAGESIZE' getconf PAGESIZE
  sec smaps /proc/self/smaps grep -m1 KernelPageSize /proc/self/smaps
  file cpuinfo /proc/cpuinfo
  file status /proc/self/status
  file online /sys/devices/system/cpu/online
  file isolated /sys/devices/system/cpu/isolated
  a=$(grep Cpus_allowed_list /proc/self/status 2> /dev/null | tr -d '\t ' | cut -d : -f 2)
  o=$(cat /sys/devices/system/cpu/online 2> /dev/null)
  sec settable 'taskset' settable "$a" "$o"
  sec cpuset 'cpuset of the control group' groups cpuset cpuset.cpus.effective cpuset.effective_cpus cpuset.cpus
  sec cpu_quota 'cpu.max, cpu.cfs_quota_us' groups cpu cpu.max cpu.cfs_quota_us cpu.cfs_period_us cpu.stat
  c=/sys/devices/system/cpu
  each capacity "$c/cpu*/cpu_capacity" $c/cpu[0-9]*/cpu_capacity
  each cur_khz "$c/cpu*/cpufreq/scaling_cur_freq" $c/cpu[0-9]*/cpufreq/scaling_cur_freq
  each min_khz "$c/cpu*/cpufreq/cpuinfo_min_freq" $c/cpu[0-9]*/cpufreq/cpuinfo_min_freq
  each max_khz "$c/cpu*/cpufreq/cpuinfo_max_freq" $c/cpu[0-9]*/cpufreq/cpuinfo_max_freq
  each governor "$c/cpu*/cpufreq/scaling_governor" $c/cpu[0-9]*/cpufreq/scaling_governor
  each siblings "$c/cpu*/topology/thread_siblings_list" $c/cpu[0-9]*/topology/thread_siblings_list
  each hybrid '/sys/devices/cpu_core/cpus, cpu_atom' /sys/devices/cpu_core/cpus /sys/devices/cpu_atom/cpus
  sec serial /proc/device-tree/serial-number text /proc/device-tree/serial-number
  sec prop.ro.serialno 'getprop ro.serialno' getprop ro.serialno
  file machine_id /etc/machine-id
  file boot_id /proc/sys/kernel/random/boot_id
  file meminfo /proc/meminfo
  file loadavg /proc/loadavg
  each zone_type '/sys/class/thermal/thermal_zone*/type' /sys/class/thermal/thermal_zone*/type
  each zone_temp '/sys/class/thermal/thermal_zone*/temp' /sys/class/thermal/thermal_zone*/temp
  file paranoid /proc/sys/kernel/perf_event_paranoid
  for p in /sys/devices/platform/soc*/*firmware/get_throttled /sys/devices/platform/*firmware/get_throttled; do
    [ ! -e "$p" ] || break
  done
  [ -e "$p" ] || p=/sys/devices/platform/soc/soc:firmware/get_throttled
  file throttled_file "$p"
  sec throttled_tool 'vcgencmd get_throttled' both vcgencmd get_throttled
  sec arm_clock 'vcgencmd measure_clock arm' vcgencmd measure_clock arm
  sec revision 'Revision in /proc/cpuinfo' grep -m1 '^Revision' /proc/cpuinfo
  sec firmware 'vcgencmd version' vcgencmd version
  each cooling '/sys/class/thermal/cooling_device*/type' /sys/class/thermal/cooling_device*/type
  each cooling_state '/sys/class/thermal/cooling_device*/cur_state' /sys/class/thermal/cooling_device*/cur_state
  each supply '/sys/class/power_supply/*' /sys/class/power_supply/*/type /sys/class/power_supply/*/*_now \
    /sys/class/power_supply/*/capacity /sys/class/power_supply/*/status
  each hwmon_temp '/sys/class/hwmon/hwmon*/temp*_input' /sys/class/hwmon/hwmon*/name \
    /sys/class/hwmon/hwmon*/temp*_label /sys/class/hwmon/hwmon*/temp*_input
  each hwmon_power '/sys/class/hwmon/hwmon*/power1_input' /sys/class/hwmon/hwmon*/name \
    /sys/class/hwmon/hwmon*/power1_input
  sec pmic 'vcgencmd pmic_read_adc' vcgencmd pmic_read_adc
  if command -v dumpsys > /dev/null 2>&1; then
    sec battery 'dumpsys battery' dumpsys battery
    sec thermal 'dumpsys thermalservice' dumpsys thermalservice
    sec wake 'dumpsys power' dumpsys power
    sec low_power 'settings get global low_power' settings get global low_power
  fi
  file clocksources /sys/devices/system/clocksource/clocksource0/available_clocksource
  file hypervisor /sys/hypervisor/type
  sec pid_namespace /proc/self/ns/pid readlink /proc/self/ns/pid
  sec python3 'python3 -V' python3 -V
  sec tools 'command -v' which_tools @TOOLS@
}
main "$@" < /dev/null
""".replace("@TOOLS@", " ".join(TOOLS))


@dataclass(frozen=True, slots=True)
class Section:
    """What one file or command said; `status` 0 when it could be read or ran well."""

    source: str
    status: int
    text: str

    @property
    def said(self) -> str:
        """The text without white space around it; empty when the source failed."""
        return self.text.strip() if self.status == 0 else ""

    @property
    def rows(self) -> list[tuple[str, str]]:
        """(path, first line) of a section that reads many small files."""
        cut = (line.partition("\t") for line in self.text.splitlines())
        return [(path, value.strip()) for path, tab, value in cut if tab and value.strip()]


class Sections(dict[str, Section]):
    """Sections by name; one that was never printed counts as a failed one."""

    def __missing__(self, name: str) -> Section:
        return Section(f"{name} (not answered)", 127, "")


def split(output: str, token: str) -> Sections:
    """Cut the script's output into its sections."""
    begin = re.compile(rf"^{re.escape(token)} (\S+) (\d+) (.+)$")
    sections = Sections()
    name: str | None = None
    head: tuple[str, int] = ("", 0)
    lines: list[str] = []
    for line in [*output.split("\n"), f"{token} end 0 end"]:
        match = begin.match(line)
        if match is None:
            lines.append(line)
            continue
        if name is not None:
            sections[name] = Section(*head, "\n".join(lines))
        name, head, lines = match[1], (match[3], int(match[2])), []
    return sections
