"""Replies that no honest engine gives: (verb, keys of its reply as JSON text). DEEP and LONG stand for much text."""

from __future__ import annotations

HOSTILE = {
    "arena beyond any memory": ("load", f'"arena_bytes": {10**30}'),
    "negative load time": ("load", '"load_ns": -5'),
    "a million outputs": ("load", '"outputs": [' + ",".join(['{"shape": [1], "dtype": "f32"}'] * 2000) + "]"),
    "negative shape": ("load", '"inputs": [{"shape": [-1], "dtype": "f32"}]'),
    "name of megabytes": ("hello", '"isa": "LONG"'),
    "nested": ("hello", '"more": DEEP'),
    "clock of infinity": ("hello", '"clock_hz": 1e999'),
    "threads below none": ("hello", '"max_threads": -1'),
    "memory of 2^63": ("run", f'"peak_rss_bytes": {2**63}'),
    "clock that stands": ("run", '"clock_hz": [0.0]'),
    "clock of infinity while running": ("run", '"clock_hz": [1e400]'),
    "times that are none": ("run", '"samples_ns": [NaN]'),
    "times too small to be": ("run", '"samples_ns": [5e-324]'),
    "times of ten days": ("run", '"samples_ns": [9e14]'),
    "an hour of work in no time": ("run", '"samples_ns": [3.6e12]'),
    "an hour of first execution": ("run", '"first_ns": 3.6e12'),
    "an hour of warm-up": ("run", '"warmup_samples_ns": [3.6e12]'),
    "iterations beyond counting": ("run", f'"iterations": {10**30}'),
    "no iterations": ("run", '"iterations": 0'),
    "negative first execution": ("run", '"first_ns": -1'),
    "end before start": ("run", '"start_ns": 9000000000, "end_ns": 1000000000'),
    "an hour between start and end": ("run", '"start_ns": 0, "end_ns": 3600000000000'),
    "samples longer than start to end": ("run", '"start_ns": 0, "end_ns": 1000, "samples_ns": [150000000.0]'),
    "CPU of 2^70": ("run", f'"cpus_used": [{2**70}]'),
    "counters of infinity": ("run", '"counters": {"instructions": 1e999}'),
    "negative counters": ("run", '"counters": {"instructions": -3}'),
    "watch of three": ("run", '"watch": {"/proc/uptime": ["1", "2", "3"]}'),
    "watch of none": ("run", '"watch": {"/proc/uptime": []}'),
    "watch of numbers": ("run", '"watch": {"/proc/uptime": [1, 2]}'),
    "watch of megabytes": ("run", '"watch": {"/sys/a/temp": ["LONG", ""]}'),
    "more samples than asked for": ("run", '"samples_ns": [1000000.0, 1000000.0, 1000000.0, 1000000.0]'),
    "two million samples": ("run", '"warmup_samples_ns": [' + ",".join(["1"] * 10) + ", MANY]"),
    "digest that is none": ("output", '"sha256": "LONG"'),
    "more bytes than there are": ("output", f'"bytes": {10**30}'),
}


def reply_of(keys: str, honest: str) -> str:
    """The line: the honest reply's keys, and then these, which stand later and count."""
    text = keys.replace("DEEP", "[" * 100_000).replace("LONG", "x" * 3_000_000).replace("MANY", "1," * 2_000_000 + "1")
    return f'{{"ok": true, {honest}{text}}}'
