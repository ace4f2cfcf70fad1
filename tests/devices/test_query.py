"""The language of queries, and which devices they ask for."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.probe import FACTS
from bnnbench.devices.query import FROM_FACTS, attributes_of, could_match, is_query, matches, parse_query
from bnnbench.devices.spec import DeviceSpec, parse_url

PI = {
    "model": "Raspberry Pi 5 Model B Rev 1.0",
    "soc": "bcm2712",
    "kernel": "Linux 6.6.20+rpt-rpi-2712",
    "os_release": "Debian GNU/Linux 12 (bookworm)",
    "cpus": {"count": 4, "online": [0, 1, 2, 3], "allowed": [0, 1, 2, 3]},
    "memory_bytes": 8 << 30,
    "isa_features": ["asimd", "asimddp", "fphp"],
    "emulated": False,
    "elf_class": 64,
    "hypervisor": None,
}
SPEC = DeviceSpec("pi5", "ssh", host="pi5.lab")


@pytest.mark.parametrize(
    ("query", "is_met"),
    [
        ("soc=bcm2712", True), ("soc=BCM2712", True), ("soc = bcm2712 ", True), ("soc=bcm2711", False),
        ("soc!=bcm2711", True), ("soc!=bcm2712", False),
        ("model~Raspberry Pi 5", True), ("model~raspberry pi 5", True), ("model~Pi 4", False),
        ("model=Raspberry Pi 5", False), ("model='Raspberry Pi 5 Model B Rev 1.0'", True),
        ("kernel>=6.6", True), ("kernel>6.6", True), ("kernel>=6.6.20", True), ("kernel>6.6.20", False),
        ("kernel<6.10", True), ("kernel<=6.6.20.0", True), ("kernel>=6.10", False), ("kernel<6.6.3", False),
        ("kernel>=6,kernel<7", True), ("soc=bcm2712,kernel>=6.10", False),
        ("os_release>=12", True), ("os_release<12", False),
        ("cpus=4", True), ("cpus>=4.0", True), ("cpus>4", False), ("cpus!=8", True),
        ("memory_bytes>=8GiB", True), ("memory_bytes>8GiB", False), ("memory_bytes>=7.5gb", True),
        ("memory_bytes=8589934592", True),
        ("isa_features=asimddp", True), ("isa_features=sve", False), ("isa_features!=sve", True),
        ("isa_features!=asimd", False), ("isa_features~dp", True),
        ("emulated=false", True), ("emulated=true", False), ("emulated!=true", True),
        ("elf_class=64", True), ("name=pi5", True), ("name~pi", True), ("transport=ssh,host~lab", True),
        ("hypervisor=kvm", False), ("hypervisor!=kvm", False), ("governor!=powersave", False), ("serial~0", False),
        ('model~"Model B"', True), ('model~"Rev 1.0, "', False),
    ],
)  # fmt: skip
def test_which_devices_are_asked_for(query: str, is_met: bool) -> None:
    assert is_query(query)
    assert matches(parse_query(query), attributes_of(SPEC, PI)) is is_met


@pytest.mark.parametrize(
    ("query", "part"),
    [
        (
            "sock=x",
            "there is no attribute 'sock' (did you mean 'soc'?); there are name, transport, host, serial, model",
        ),
        ("soc=", "is not a query at 'soc='"),
        ("soc=''", "is not a query"),
        ("soc=a,", "is not a query at ''"),
        ("soc=a,,model~b", "is not a query at ',model~b'"),
        ("soc=a model~b,kernel", "is not a query at 'kernel'"),
        ('soc="a', "is not a query"),
        ("soc==a b'c", "is not a query"),
        ("soc==bcm2712", "is not a query at 'soc==bcm2712'; write it as"),
        ("cpus>>3", "is not a query at 'cpus>>3'"),
        ("soc=a,kernel=>6.6", "is not a query at 'kernel=>6.6'"),
        ("kernel>=new", "'new' is neither a version nor a number to compare with kernel"),
    ],
)
def test_what_is_no_query_is_one_sentence(query: str, part: str) -> None:
    with pytest.raises(InventoryError) as told:
        parse_query(query)
    assert part in str(told.value)
    assert str(told.value).endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "pi4",
        "local",
        "a.b-c_d",
        "ssh://pi@pi4.lab:22",
        "adb://adb-1A2B%20(2)._adb-tls-connect._tcp",
        "adb://[::1]:5555",
    ],
)
def test_names_and_addresses_are_no_queries(text: str) -> None:
    assert not is_query(text)


def test_what_the_inventory_alone_excludes() -> None:
    assert could_match(parse_query("name~pi,soc=bcm2711"), SPEC)
    assert not could_match(parse_query("name~phone,soc=bcm2712"), SPEC)
    assert not parse_query("name~phone").needs_facts
    assert parse_query("name~phone,soc=x").needs_facts


def test_attributes_are_facts() -> None:
    assert set(FROM_FACTS) <= set(FACTS)


numbers = st.lists(st.integers(0, 300), min_size=1, max_size=4)


@given(numbers, numbers, st.sampled_from(["<", "<=", ">", ">="]))
def test_versions_are_in_the_order_of_python_s_own(left: list[int], right: list[int], operator: str) -> None:
    one, other = (".".join(map(str, each)) for each in (left, right))
    expected = {
        "<": Version(one) < Version(other), "<=": Version(one) <= Version(other),
        ">": Version(one) > Version(other), ">=": Version(one) >= Version(other),
    }[operator]  # fmt: skip
    query = parse_query(f"kernel{operator}{other}")
    assert matches(query, attributes_of(SPEC, {"kernel": f"Linux {one}-rpi"})) is expected


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_an_error_of_the_inventory(text: str) -> None:
    with suppress(InventoryError):
        matches(parse_query(text), attributes_of(SPEC, PI))


def test_an_address_with_an_operator_stays_an_address() -> None:
    assert not is_query("adb://a=b")
    assert parse_url("adb://a=b").serial == "a=b"


def test_a_value_that_begins_with_an_operator_is_quoted() -> None:
    assert parse_query("model='=x'").conditions[0].value == "=x"
