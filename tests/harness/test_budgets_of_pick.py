"""A budget that `bnnbench pick` names lets in the model that it is named for, typed as it stands there."""

from hypothesis import example, given
from hypothesis import strategies as st

from bnnbench.harness.cli.pick import _SIZES, _TIMES, _quantity, _share, budget_text
from bnnbench.results.metrics import OBJECTIVES


@given(st.floats(1, 1e11))
@example(9.62044e6)
@example(999.6)
@example(1e6)
def test_a_latency_is_within_the_budget_that_is_named_for_it(ns: float) -> None:
    budget = _quantity("--max-latency", budget_text(OBJECTIVES["latency"], ns).replace(",", ""), _TIMES, "30ms")
    assert budget is not None
    assert ns <= budget <= 1.02 * ns + 1


@given(st.integers(1, 10**10))
@example(100_032)
@example(9_999)
def test_a_size_is_within_the_budget_that_is_named_for_it(size: int) -> None:
    budget = _quantity("--max-size", budget_text(OBJECTIVES["size"], size).replace(",", ""), _SIZES, "5MB")
    assert budget is not None
    assert size <= budget <= 1.02 * size + 1


@given(st.floats(0, 1))
@example(0.88655)
@example(0.88645)
def test_an_accuracy_is_within_the_budget_that_is_named_for_it(share: float) -> None:
    least = _share(budget_text(OBJECTIVES["accuracy"], share))
    assert least is not None
    assert share - 1.1e-4 <= least <= share + 1e-12
