"""Which taps of a window lie inside the image, along one axis."""

from __future__ import annotations

from numba.extending import register_jitable


@register_jitable
def taps_inside(origin: int, dilation: int, kernel: int, size: int) -> tuple[int, int]:
    """First tap and past the last with `0 <= origin + tap * dilation < size`; equal when none."""
    first = max(-(origin // dilation), 0)
    past = min((size - 1 - origin) // dilation + 1, kernel)
    return first, max(first, past)
