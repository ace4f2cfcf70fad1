"""A verdict as one sentence, for formats that have no columns."""

from bnnbench.results.verdict.rows import VerdictRow


def sentence(row: VerdictRow) -> str:
    """`+2.1 % latency (+1.7 .. +2.4 %, 40 pairs), 1.23 ms (1.22-1.24) -> 1.26 ms (1.25-1.27), high trust. All of it is
    in step 12, bconv2d.`

    Of accuracy: `-0.2 points (-1.1 .. +0.7) of accuracy, 91.50 % -> 91.30 %.`
    """
    return _detail(row) or f"{row.word.capitalize()}."


def with_word(row: VerdictRow) -> str:
    """The verdict, or the status where there is none, and the sentence: `skipped: Base: the engine has no such op.`"""
    remarks = _detail(row)
    return f"{row.word}: {remarks}" if remarks else f"{row.word.capitalize()}."


def _detail(row: VerdictRow) -> str:
    """Nothing where there are neither figures nor reasons."""
    one = row.verdict
    about = ", ".join(part for part in (row.interval, f"{one.pairs} pairs" if one.pairs else "") if part)
    about = f" ({about})" if about else ""
    figures = []
    if row.effect:
        label = row.metric.label
        figures = [f"{row.effect}{about} of {label}" if row.is_share else f"{row.effect} {label}{about}"]
    if one.base_value is not None and one.head_value is not None:
        figures.append(f"{row.base} -> {row.head}")
    if row.trust:
        figures.append(row.trust)
    parts = [", ".join(figures), *(text[:1].upper() + text[1:] for text in row.remarks)]
    return "".join(f"{part.rstrip('.')}. " for part in parts if part).rstrip()


def name(row: VerdictRow) -> str:
    """Workload, device and threads where they say something, metric where it is another than latency."""
    parts = [row.record.workload, f"on {row.record.device}"]
    if row.record.threads > 1:
        parts.append(f"{row.record.threads} threads")
    if not row.metric.is_paired:
        parts.append(row.metric.label)
    return ", ".join(parts)
