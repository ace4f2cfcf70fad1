"""Writes the software bill of materials of a wheel beside it, as CycloneDX JSON: `sbom.py dist/NAME.whl`.

It lists the engines that the wheel carries with their SHA-256, what is linked into them, the data and the models that
come along, and the packages that the wheel asks for.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement

PREBUILT = "bnnbench/kernels/prebuilt/"
LINKED = (
    ("musl", "zig's C library, linked into every engine"),
    ("compiler-rt", "LLVM's runtime as zig ships it, linked into every engine"),
)
DATA = (
    ("bnnbench/kernels/models/datasets/", "Fashion-MNIST's test images", "MIT"),
    ("bnnbench/kernels/models/fashion_mnist/", "models of this project, trained on Fashion-MNIST", "Apache-2.0"),
    (
        "bnnbench/results/site/static/vendor/",
        "Vega, Vega-Lite and vega-interpreter, for the pages of a site",
        "BSD-3-Clause",
    ),
)


def bill(wheel: Path) -> Bom:
    with zipfile.ZipFile(wheel) as archive:
        info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(info).decode())
        manifest = json.loads(archive.read(f"{PREBUILT}manifest.json"))
        data = {folder: _digest(archive, folder) for folder, _, _ in DATA}
    bom, name, version = Bom(), metadata["Name"], metadata["Version"]
    whole = _sha256(hashlib.sha256(wheel.read_bytes()).hexdigest())
    bom.metadata.component = Component(
        name=name, version=version, type=ComponentType.APPLICATION, hashes=[whole], bom_ref=f"{name}@{version}"
    )
    for key, file in manifest["files"].items():
        build = Property(name="bnnbench:build", value=key)
        bom.components.add(
            Component(
                name=PREBUILT + file["file"],
                type=ComponentType.FILE,
                description=file["what"],
                hashes=[_sha256(file["sha256"])],
                properties=[build],
            )
        )
    zig = manifest["compilers"]["zig"]
    for library, what in LINKED:
        bom.components.add(Component(name=library, version=f"of zig {zig}", description=what))
    for folder, what, license_name in DATA:
        licensed = Property(name="bnnbench:license", value=license_name)
        bom.components.add(
            Component(
                name=folder,
                type=ComponentType.DATA,
                description=what,
                hashes=[_sha256(data[folder])],
                properties=[licensed],
            )
        )
    for line in metadata.get_all("Requires-Dist") or []:
        needed = Requirement(line)
        if needed.marker is None or "extra" not in str(needed.marker):
            url = PackageURL("pypi", name=needed.name)
            asked = Property(name="bnnbench:requirement", value=str(needed))
            bom.components.add(Component(name=needed.name, purl=url, properties=[asked]))
    return bom


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _digest(archive: zipfile.ZipFile, folder: str) -> str:
    """Of all files of a folder: names and contents, in order."""
    digest = hashlib.sha256()
    for name in sorted(name for name in archive.namelist() if name.startswith(folder)):
        digest.update(name.encode() + b"\0" + hashlib.sha256(archive.read(name)).digest())
    return digest.hexdigest()


def main() -> None:
    wheel = Path(sys.argv[1])
    text = make_outputter(bill(wheel), OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    trouble = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if trouble:
        sys.exit(f"the SBOM is not valid: {trouble}")
    wheel.with_suffix(".cdx.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
