"""The columns of the table of runs, with their pandas types: what is known of a run without its cases."""

from collections.abc import Mapping

RUN_COLUMNS: Mapping[str, str] = {
    "run_id": "string",
    "created": "datetime64[us, UTC]",
    "created_text": "string",
    "sorted_by": "string",
    "suite": "string",
    "version": "string",
    "commit": "string",
    "devices": "object",
    "cases": "Int64",
    "skips": "Int64",
    "comparisons": "Int64",
    "outcome": "string",
    "wall_ns": "Float64",
    "folder_bytes": "Int64",
}
"""`created_text` is the time as the run has it, `sorted_by` what runs are sorted by; `outcome` is `incomplete` for a
run without an end; `folder_bytes` is the size of its files."""
DERIVATION = 3
"""Counts the ways in which tables were made of a journal: one more for a new column or another rule, so that tables
of older versions are made again."""
