"""Right outputs that another machine has computed: the same as those that are computed here, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bnnbench.harness.errors import CannotMeasure
from bnnbench.harness.workload import model as of_models
from bnnbench.harness.workload import with_right_outputs
from bnnbench.harness.workload.base import Workload
from bnnbench.harness.workload.kernel import KernelWorkload
from bnnbench.harness.workload.model import ModelWorkload
from bnnbench.harness.workload.right_outputs_file import read, write
from bnnbench.kernels.data import make_data
from bnnbench.kernels.models.datasets import open_dataset
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import read as read_tflite
from bnnbench.kernels.ops import BGemm
from bnnbench.kernels.reference import oracle

GOLDEN = Path(__file__).parents[1] / "golden"


def kernel(seed: int = 1) -> Workload:
    spec = BGemm(m=5, n=7, k=64)
    return KernelWorkload("gemm", spec, make_data(spec, seed))


def golden(name: str) -> Callable[[], Workload]:
    return lambda: ModelWorkload(name, read_tflite(GOLDEN / f"{name}.tflite"), 3)


def with_images() -> Workload:
    return ModelWorkload("m", read_tflite(shipped_models()["quicknet_xs"]), 3, open_dataset("fashion-mnist"), 50)


def forbid(patch: pytest.MonkeyPatch) -> None:
    """From now on nothing is computed."""

    def computes(*_: object, **__: object) -> None:
        raise AssertionError("it is computed again")

    patch.setattr(oracle, "run", computes)
    patch.setattr(with_right_outputs, "interpret", computes)
    for name in ("opinions", "reference_classes"):
        patch.setattr(of_models, name, computes)


@pytest.mark.parametrize(
    "make", [kernel, golden("tiny_int8"), golden("tiny_larq"), with_images], ids=["kernel", "int8", "larq", "images"]
)
def test_they_are_those_that_were_computed(
    make: Callable[[], Workload], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = make(), make()
    there.prepare(lambda what, done, of: None)
    write(there, tmp_path / "right.npz")
    computed = (there.remark, there.opinions, there.is_sure(0), [there.expected_sha256(which) for which in (0, 1)])
    forbid(monkeypatch)
    assert there.prepared_key == here.prepared_key
    assert not here.is_prepared
    read(here, tmp_path / "right.npz")
    assert here.is_prepared
    here.prepare(lambda what, done, of: None)
    assert (here.remark, here.opinions, here.is_sure(0), [here.expected_sha256(which) for which in (0, 1)]) == computed
    mine, its = here.prepared(), there.prepared()
    assert mine.keys() == its.keys()
    for name, array in its.items():
        assert mine[name].dtype == array.dtype
        np.testing.assert_array_equal(mine[name], array)


def test_what_decides_them_is_in_their_key() -> None:
    assert kernel(1).prepared_key != kernel(2).prepared_key
    file = read_tflite(shipped_models()["quicknet_xs"])
    images = open_dataset("fashion-mnist")
    keys = {
        ModelWorkload("m", file, *more).prepared_key  # type: ignore[arg-type]
        for more in ((3,), (4,), (3, images), (3, images, 50), (3, images, 51))
    }
    assert len(keys) == 5


@pytest.mark.parametrize("make", [golden("tiny_int8"), kernel], ids=["int8", "kernel"])
def test_a_file_of_something_else_is_a_sentence(make: Callable[[], Workload], tmp_path: Path) -> None:
    other = ModelWorkload("other", read_tflite(GOLDEN / "tiny_odd.tflite"), 3)
    other.prepare(lambda what, done, of: None)
    write(other, tmp_path / "other.npz")
    np.savez(tmp_path / "object.npz", expected=np.array([{}], dtype=object))
    (tmp_path / "rubbish.npz").write_bytes(b"PK\x03\x04 rubbish")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-30])
    for name in ("other", "object", "rubbish", "cut", "missing"):
        here = make()
        with pytest.raises(CannotMeasure, match="that were sent cannot be read"):
            read(here, tmp_path / f"{name}.npz")
        assert not here.is_prepared
