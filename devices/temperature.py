"""Temperatures as the kernel's thermal zones tell them."""

from __future__ import annotations

import re
from typing import Final

# A kernel's unit is 1/1000 degree; zones of some vendors count whole degrees.
_LEAST_IN_MILLI: Final = 1000
_BELIEVED: Final = (-40.0, 130.0)


def celsius(text: str) -> float | None:
    """Degrees; None for what is no reading, or one that a sensor gives while it is off."""
    if not re.fullmatch(r"-?\d{1,7}", text.strip()):
        return None
    number = int(text)
    degrees = number / 1000 if abs(number) >= _LEAST_IN_MILLI else float(number)
    return degrees if _BELIEVED[0] <= degrees <= _BELIEVED[1] else None
