"""Makes the files of this folder: networks of Brevitas, exported as QONNX, with what Brevitas computes of images.

usage: python make.py, after `pip install torch==2.13.0 brevitas==0.13.4 qonnx==1.0.0 onnxscript onnxoptimizer`

TFC-w1a1 and CNV-w1a1 are those of the package `brevitas_examples` in full size, and a small MobileNet is written here.
They are not trained: weights are +0.5 and -0.5 by a seed, so that the files compress, and batch normalizations have the
statistics of 256 random images. Outputs are those of PyTorch; QONNX's own executor must give the same.
"""

from __future__ import annotations

import lzma
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from brevitas.export import export_qonnx
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas_examples.bnn_pynq.models import cnv, fc, get_model_cfg
from brevitas_examples.bnn_pynq.models.common import CommonActQuant, CommonWeightQuant
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes
from torch import nn

FOLDER = Path(__file__).parent
IMAGES = 2
_OF_FLOATS = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 2, "pb": 0}


def act(bits: int) -> nn.Module:
    return QuantIdentity(act_quant=CommonActQuant, bit_width=bits)


def binary_conv(channels: int, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    return QuantConv2d(
        channels, filters, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False,
        weight_quant=CommonWeightQuant, weight_bit_width=1,
    )  # fmt: skip


class MobileNet(nn.Module):
    """MobileNetV1's blocks, with binary depthwise and pointwise convolutions, and a stem and a classifier of 8 bits."""

    def __init__(self) -> None:
        super().__init__()
        stem = QuantConv2d(3, 32, 3, stride=2, padding=1, bias=False, weight_bit_width=8)
        layers: list[nn.Module] = [stem, nn.BatchNorm2d(32)]
        depth = 32
        for filters, stride in ((64, 1), (64, 2), (96, 1), (128, 2), (128, 1)):
            layers += [act(1), binary_conv(depth, depth, 3, stride, groups=depth), nn.BatchNorm2d(depth)]
            layers += [act(1), binary_conv(depth, filters, 1), nn.BatchNorm2d(filters)]
            depth = filters
        layers += [nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), QuantLinear(depth, 10, bias=True, weight_bit_width=4)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images [n, 3, 32, 32] of 0 to 1."""
        return self.layers(2.0 * x - 1.0)


def settled(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """The network with weights of a seed and statistics of random images."""
    generator = torch.Generator().manual_seed(7)
    for module in network.modules():
        if isinstance(module, QuantConv2d | QuantLinear) and module.weight_quant.bit_width() == 1:
            signs = torch.randint(0, 2, module.weight.shape, generator=generator)
            module.weight.data = signs - 0.5
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches
            module.weight.data = torch.rand(module.weight.shape, generator=generator) + 0.5
            module.bias.data = torch.randn(module.bias.shape, generator=generator) * 0.3
    network.train()
    with torch.no_grad():
        for _ in range(4):
            network(torch.randint(0, 256, (64, *shape[1:]), generator=generator) / 255)
    return network.eval()


def export(name: str, network: nn.Module, shape: tuple[int, ...]) -> None:
    """Writes NAME.onnx.xz, and NAME.npz with images (uint8) and outputs."""
    network = settled(network, shape)
    images = np.random.default_rng(5).integers(0, 256, (IMAGES, *shape[1:]), np.uint8)
    inputs = images.astype(np.float32) / np.float32(255)
    with torch.no_grad():
        outputs = network(torch.from_numpy(inputs)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_qonnx(network, torch.from_numpy(inputs[:1]), str(path), dynamo=False)
        content = path.read_bytes()
        model = ModelWrapper(str(path)).transform(InferShapes())
    (given,), (made,) = model.graph.input, model.graph.output
    for image, output in zip(inputs, outputs, strict=True):
        found = execute_onnx(model, {given.name: image[None]})[made.name]
        assert np.allclose(found[0], output, rtol=0, atol=1e-5 * abs(outputs).max()), (name, found, output)
    (FOLDER / f"{name}.onnx.xz").write_bytes(lzma.compress(content, filters=[_OF_FLOATS]))
    np.savez_compressed(FOLDER / f"{name}.npz", images=images, outputs=outputs)
    kinds = sorted({node.op_type for node in onnx.load_model_from_string(content).graph.node})
    print(name, len(content), (FOLDER / f"{name}.onnx.xz").stat().st_size, *kinds)


def main() -> int:
    """0 when all files are written."""
    torch.manual_seed(7)
    export("tfc_w1a1", fc(get_model_cfg("TFC_1W1A")), (1, 1, 28, 28))
    export("cnv_w1a1", cnv(get_model_cfg("CNV_1W1A")), (1, 3, 32, 32))
    export("mobilenet", MobileNet(), (1, 3, 32, 32))
    return 0


if __name__ == "__main__":
    sys.exit(main())
