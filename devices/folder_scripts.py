"""The shell that looks after the work folder on a device: plain POSIX sh, values only as positional parameters.

Nothing is removed or changed but what bnnbench itself made: its name must fit, and symbolic links are not followed.
"""

from __future__ import annotations

from typing import Final

from bnnbench.devices.transport.scripts import SHA256

MARKER: Final = "bnnbench-work-folder"
"""The file that says that a folder is bnnbench's."""
MARKER_TEXT: Final = "bnnbench keeps programs, models and data in this folder, and removes what it no longer needs."
_DIGIT, _HEX = "[0-9]", "[0-9a-f]"
# As `new_run_id` of the store makes them: 20260131-142501-9f3a1c.
_RUN_ID: Final = f"{_DIGIT * 8}-{_DIGIT * 6}-{_HEX * 6}"
RUN_ID: Final = rf"{_DIGIT}{{8}}-{_DIGIT}{{6}}-{_HEX}{{6}}"
"""The regular expression of every name in `tmp/`."""

# `look PATH` tells mode, owner and group of what is there itself, not of what it links to. `safe FOLDER` is false, with
# the reason in $why, for one that another user could change; a sticky folder protects what is in it. Trusted are root,
# by whatever number it shows, this user, and Android's own `system` and `shell`, which no app has. A group with a
# trusted number is a private one.
# `each FUNCTION FOLDER` calls it with every entry's path until it fails.
_LOOKING = r"""
look() {
  set -f; set -- $(ls -ldn "$1" 2>/dev/null); set +f
  mode=${1:-} owner=${3:-} group=${4:-}
  [ -n "$group" ]
}
safe() {
  why='cannot be looked at'; look "$1" || return 1
  case $mode in d*) ;; *) why='is not a folder'; return 1 ;; esac
  case $trusted in *" $owner "*) ;; *) why="belongs to user $owner"; return 1 ;; esac
  case $mode in ?????????[tT]*) return 0 ;; esac
  case $mode in ????????w*) why='can be written by every user'; return 1 ;; esac
  case $mode in
    ?????w*) case $trusted in *" $group "*) ;; *) why="can be written by group $group"; return 1 ;; esac ;;
  esac
}
each() {
  for f in "$2"/* "$2"/.[!.]* "$2"/..?*; do
    if [ -e "$f" ] || [ -L "$f" ]; then "$1" "$f" || return 1; fi
  done
}
is_folder() { [ -d "$1" ] && [ ! -L "$1" ]; }
is_file() { [ -f "$1" ] && [ ! -L "$1" ]; }
is_old() { [ -n "$(find "$1" -prune -mmin "+$2" 2>/dev/null)" ]; }
me=$(id -u 2>/dev/null) || me=
if [ -z "$me" ] && look "/proc/$$"; then me=$owner; fi
look /; trusted=" $me $owner "
if [ -x /system/bin/sh ]; then trusted="${trusted}1000 2000 "; fi
"""

# Whether an entry of the work folder, of `blobs/` or of `tmp/` is one that bnnbench makes, or made before the marker.
_NAMES = f"""
is_own_entry() {{
  n=${{1##*/}}
  case $n in
    blobs|tmp) is_folder "$1" ;;
    python) is_folder "$1" && is_file "$1/pyvenv.cfg" ;;
    lock-*) is_file "$1" ;;
    environment.journal|environment.journal.new|lost+found) ;;
    *) return 1 ;;
  esac
}}
is_blob() {{
  n=${{1##*/}}; b=${{n%.part}}
  if [ "$b" != "$n" ]; then b=${{b%.*}}; fi
  case $b in *[!0-9a-f]*) return 1 ;; esac
  [ ${{#b}} -eq 64 ] && is_file "$1"
}}
is_run() {{ n=${{1##*/}}; case $n in {_RUN_ID}) is_folder "$1" ;; *) return 1 ;; esac; }}
is_older_run() {{
  n=${{1##*/}}
  case $n in
    {_RUN_ID}) is_folder "$1" ;;
    infer-*|peak-*|profile-*|restore-*) case ${{n#*-}} in *[!0-9]*) return 1 ;; esac ;;
    probe.*) ;;
    *) return 1 ;;
  esac
}}
clear_blob() {{ case $1 in *.part) if is_blob "$1" && is_old "$1" 60; then rm -f "$1"; fi ;; esac; }}
clear_run() {{ if is_run "$1" && is_old "$1" 1440; then rm -rf "$1"; fi; }}
"""

# $1 folder. Prints one word, and on a second line the folder's real path, or what is wrong with which path.
# The file that is run has no #! line: then it matters where `sh` lives on no device.
OPEN: Final = f"""
LC_ALL=C; export LC_ALL
umask 077
{_LOOKING}
{_NAMES}
tell() {{ printf '%s\\n' "$@"; exit 0; }}
mkdir -p "$1" && d=$(cd "$1" && pwd -P) && [ -n "$d" ] || tell unwritable "$1"
p=$d
while :; do
  safe "$p" || tell unsafe "$p $why"
  [ "$p" != / ] || break
  p=${{p%/*}}; p=${{p:-/}}
done
m=$d/{MARKER}
if look "$m"; then
  is_file "$m" || tell foreign "${{m##*/}}"
  [ "$owner" = "$me" ] || tell unsafe "$m belongs to user $owner"
else
  each is_own_entry "$d" || tell foreign "$n"
  if [ -d "$d/blobs" ]; then each is_blob "$d/blobs" || tell foreign "blobs/$n"; fi
  if [ -d "$d/tmp" ]; then each is_older_run "$d/tmp" || tell foreign "tmp/$n"; fi
  echo '{MARKER_TEXT}' > "$m" || {{ rm -f "$m"; tell unwritable "$d"; }}
fi
for p in "$d/blobs" "$d/tmp"; do
  if ! look "$p"; then mkdir "$p" || [ -d "$p" ] || tell unwritable "$d"; fi
  safe "$p" || tell unsafe "$p $why"
  case $mode in drwx------*) ;; *) chmod 700 "$p" || tell unwritable "$d" ;; esac
done
j=$d/environment.journal
if look "$j"; then
  is_file "$j" || tell foreign "${{j##*/}}"
  [ "$owner" = "$me" ] || tell unsafe "$j belongs to user $owner"
fi
t=$d/tmp/probe.$$
rm -f "$t"
printf 'exit 7\\n' > "$t" || {{ rm -f "$t"; tell unwritable "$d"; }}
chmod 700 "$t"
"$t" < /dev/null; s=$?
rm -f "$t"
each clear_blob "$d/blobs" 2>/dev/null
case $s in
  7) tell ok "$d" ;;
  *) tell noexec "$d" ;;
esac
"""

# $1 folder, $2 tool; `SHA256 x|-` lines on stdin. Touching what is used is what `trim` goes by. A process for each file
# takes longer than its work on slow boards, so modes and times are set for up to a hundred at once.
HAVE: Final = f"""
sha_tool=$2
{SHA256}
cd "$1/blobs" || exit 1
settle() {{
  if [ -n "$programs" ]; then chmod 500 $programs; fi
  if [ -n "$files" ]; then chmod 400 $files; fi
  if [ -n "$programs$files" ]; then touch $programs $files; fi
  programs= files= n=0
}}
programs= files= n=0
while read -r want x; do
  if [ -L "$want" ]; then rm -f "$want"; fi
  [ -f "$want" ] || continue
  got=$(sha "$want") || got=unreadable
  case $got in
    ''|"$want")
      if [ "$x" = x ] || [ -x "$want" ]; then programs="$programs $want"; else files="$files $want"; fi
      n=$((n + 1)); if [ "$n" -eq 100 ]; then settle; fi
      if [ -n "$got" ]; then echo "have $want"; else echo "unchecked $want"; fi ;;
    *) rm -f "$want" ;;
  esac
done
settle
exit 0
"""

# $1 folder. `SIZE NAME`, newest first.
LIST: Final = """
cd "$1/blobs" || exit 1
ls -lnt | while read -r mode links owner group size rest; do
  case $mode in -*) ;; *) continue ;; esac
  case $size in ''|*[!0-9]*) continue ;; esac
  case $rest in *.part) continue ;; esac
  echo "$size ${rest##* }"
done
"""

# $1 folder, then FROM TO pairs; folders that TO lies in are made.
COPY: Final = """
cd "$1" || exit 1
shift
while [ $# -gt 1 ]; do
  rm -f "./$2"
  case $2 in */*) mkdir -p "./${2%/*}" || exit 1 ;; esac
  cp -p "./$1" "./$2" || exit 1
  shift 2
done
"""

# $1 folder; names on stdin.
REMOVE: Final = """
cd "$1/blobs" || exit 1
while IFS= read -r f; do rm -f "./$f"; done
"""

# $1 folder, $2 the run's folder in it. Clears what runs left behind that were cut off.
MAKE_RUN: Final = f"""
LC_ALL=C; export LC_ALL
umask 077
{_LOOKING}
{_NAMES}
cd "$1" || exit 1
if [ -L "$2" ]; then echo "$2 is a symbolic link" >&2; exit 1; fi
mkdir -p "$2" && touch "$2" || exit 1
each clear_run tmp 2>/dev/null
exit 0
"""

REMOVE_RUN: Final = 'cd "$1" && rm -rf "./$2"'
