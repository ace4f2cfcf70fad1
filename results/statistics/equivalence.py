"""Two one-sided tests (TOST): whether paired differences lie within a margin about zero.

Equivalence is shown when both "the shift is -margin or less" and "the shift is +margin or more" are refused; the
p-value is the larger of the two. At a true shift of exactly the margin it is at most alpha with probability alpha.

D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing the
equivalence of average bioavailability", Journal of Pharmacokinetics and Biopharmaceutics 15 (1987), 657-680; here with
signed ranks.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.signed_rank import p_value


def equivalence_p(differences: Sequence[float] | NDArray[np.float64], low: float, high: float) -> float:
    """How likely such differences are when they lie outside of `low` (< 0) to `high` (> 0) or on its edge."""
    d = np.asarray(differences, float)
    return max(p_value(d, low), p_value(-d, -high))
