"""The shell that runs on devices: plain POSIX sh, values only as positional parameters."""

from __future__ import annotations

# Prints the tool and the home folder.
ENVIRONMENT = (
    "h=${HOME:-$(cd && pwd)}; t=; for c in sha256sum toybox busybox openssl; do "
    "if command -v $c >/dev/null 2>&1; then case $c in "
    "sha256sum|openssl) t=$c;; "
    "*) if $c sha256sum /dev/null >/dev/null 2>&1; then t=$c; fi;; esac; fi; "
    'if [ -n "$t" ]; then break; fi; done; '
    'printf %s:%s "$t" "$h"'
)

# Defines `sha FILE`: its SHA-256 in hex, or nothing where no tool can tell. $sha_tool names the tool.
SHA256 = """
sha() {
  case $sha_tool in
    sha256sum) o=$(sha256sum < "$1") || return 1 ;;
    toybox|busybox) o=$("$sha_tool" sha256sum < "$1") || return 1 ;;
    openssl) o=$(openssl dgst -sha256 -r < "$1") || return 1 ;;
    *) o= ;;
  esac
  printf '%s' "${o%% *}"
}
"""

# $1 file, $2 wanted SHA-256, $3 mode, $4 tool. Prints absent, folder, unchecked, have or differs.
CHECK = f"""
sha_tool=$4
{SHA256}
if [ -d "$1" ]; then echo folder; exit 0; fi
if [ ! -f "$1" ]; then echo absent; exit 0; fi
got=$(sha "$1") || got=unreadable
case $got in
  '') echo unchecked ;;
  "$2") chmod "$3" "$1" && echo have ;;
  *) echo differs ;;
esac
"""

# $1 file, $2 temporary file, $3 wanted SHA-256, $4 mode, $5 tool, $6 size; the bytes come on stdin.
# Prints ok, unchecked (whole but not compared; still under $2), short or differs.
RECEIVE = f"""
LC_ALL=C; export LC_ALL
umask 077
sha_tool=$5
{SHA256}
cat > "$2" || {{ rm -f "$2"; echo short; exit 0; }}
size=$(wc -c < "$2")
if [ "$((size))" != "$6" ]; then rm -f "$2"; echo short; exit 0; fi
got=$(sha "$2") || got=unreadable
case $got in
  '') chmod "$4" "$2" && echo unchecked ;;
  "$3") chmod "$4" "$2" && mv -f "$2" "$1" && echo ok ;;
  *) rm -f "$2"; echo differs ;;
esac
"""

# $1 file, $2 tool. Prints the file, and a line's end, its size and SHA-256 (empty where no tool can tell) after it.
SEND = f"""
sha_tool=$2
{SHA256}
cat < "$1" || exit 1
size=$(cat < "$1" | wc -c)
printf '\\n%s %s' "$((size))" "$(sha "$1")"
"""
SEND_TAIL_BYTES = 1 + 20 + 1 + 64

# $1 folder. Free space as `df` says it; the line that counts is the last.
FREE = 'LC_ALL=C df -Pk "$1"'
