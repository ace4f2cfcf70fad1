"""Who may use a lab: machines with a certificate of its authority that holds today, and nobody else."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from bnnbench.harness.errors import CallError, CannotMeasure
from bnnbench.harness.lab import certificates as making
from bnnbench.harness.lab import link
from bnnbench.harness.lab.address import listening, parse_address
from bnnbench.harness.lab.certificates import make_certificates, open_certificates
from bnnbench.harness.lab.services import require_fit, serve_scheduler
from tests.devices.sshd import _free_port
from tests.harness.bench import one_sentence
from tests.lab.labs import Lab


class Past(datetime):
    """A clock that is 400 days late."""

    @classmethod
    def now(cls, tz: object = None) -> Past:  # type: ignore[override]
        return cls.fromtimestamp((datetime.now(UTC) - timedelta(days=400)).timestamp(), UTC)


@pytest.fixture
def expired(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate of the lab's own authority, of last year."""
    with monkeypatch.context() as patch:
        patch.setattr(making, "datetime", Past)
        ca, key = making._authority(lab.folder / "secrets/ca")
        return making._pair(tmp_path / "expired", "old", 30, ca, key)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A certificate of another lab's."""
    (folder,) = make_certificates(tmp_path / "elsewhere", ["stranger"])
    return folder


def shaken_hands(lab: Lab, folder: Path | None) -> bool:
    """Whether the scheduler answers somebody who checks nothing himself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if folder is not None:
        context.load_cert_chain(str(folder / making.CERTIFICATE), str(folder / making.KEY))
    try:
        with (
            socket.create_connection(("127.0.0.1", lab.port), timeout=20) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            return bool(wrapped.recv(1))  # it speaks first; in TLS 1.3 a refusal comes instead
    except ssl.SSLError:
        return False


def test_the_scheduler_answers_its_own_and_nobody_else(lab: Lab, expired: Path, foreign: Path) -> None:
    assert shaken_hands(lab, lab.certificates)
    assert not shaken_hands(lab, None)
    assert not shaken_hands(lab, expired)
    assert not shaken_hands(lab, foreign)
    with socket.create_connection(("127.0.0.1", lab.port), timeout=20) as plain, suppress(ConnectionError):
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"HTTP" not in plain.recv(100)


def test_a_stranger_is_told_in_a_sentence(lab: Lab, foreign: Path, tmp_path: Path) -> None:
    user = lab.user("stranger", BNNBENCH_LAB_CERTIFICATES=str(foreign))
    done = user.run("lab", "status", lab.address)
    assert done.returncode == 3
    assert "certificates of the same authority" in one_sentence(done.stderr)
    user = lab.user("nobody", BNNBENCH_LAB_CERTIFICATES=str(tmp_path))
    done = user.run("lab", "status", lab.address)
    assert done.returncode == 2
    assert "there is no ca.pem" in one_sentence(done.stderr)


def test_certificates_are_checked_before_they_are_used(expired: Path, foreign: Path, tmp_path: Path) -> None:
    assert open_certificates(foreign).key == foreign / making.KEY
    with pytest.raises(CallError, match="which is not now"):
        open_certificates(expired)
    with pytest.raises(CallError, match="which is not now"):
        open_certificates(foreign, datetime.now(UTC) + timedelta(days=366))
    (foreign / making.KEY).chmod(0o640)
    with pytest.raises(CallError, match=r"chmod 600"):
        open_certificates(foreign)
    (foreign / making.KEY).chmod(0o600)
    (foreign / making.CA).write_bytes((expired / making.CA).read_bytes())
    with pytest.raises(CallError, match="is not of the authority"):
        open_certificates(foreign)
    (foreign / making.CERTIFICATE).write_text("nothing")
    with pytest.raises(CallError, match="no usable certificates"):
        open_certificates(foreign)
    with pytest.raises(CallError, match=r"there is no ca\.pem"):
        open_certificates(tmp_path)


def test_what_is_made_is_readable_by_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    folders = make_certificates(tmp_path / "all", ["desk", "rack"])
    for path in (tmp_path / "all").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    (again,) = make_certificates(tmp_path / "all", ["phone"])  # of the same authority
    assert (again / making.CA).read_bytes() == (folders[0] / making.CA).read_bytes()
    with pytest.raises(CallError, match="exists already"):
        make_certificates(tmp_path / "all", ["desk"])
    for name in ("", "..", "ca", "a/b", "-x", "a\nb"):
        with pytest.raises(CallError, match="cannot name"):
            make_certificates(tmp_path / "all", [name])
    with pytest.raises(CallError, match="--days 0"):
        make_certificates(tmp_path / "all", ["x"], 0)


def test_an_authority_that_is_not_whole_makes_nothing(tmp_path: Path) -> None:
    folder, other = tmp_path / "all", tmp_path / "other"
    make_certificates(folder, ["desk"])
    make_certificates(other, ["desk"])
    ca, key = folder / "ca" / making.CA, folder / "ca/ca-key.pem"
    whole = ca.read_bytes()
    ca.write_bytes((other / "ca" / making.CA).read_bytes())
    with pytest.raises(CallError, match=r"ca-key\.pem is not the key of .*ca\.pem"):
        make_certificates(folder, ["rack"])
    ca.write_text("nothing")
    with pytest.raises(CallError, match="holds no usable authority"):
        make_certificates(folder, ["rack"])
    ca.unlink()
    with pytest.raises(CallError, match=r"has only one of ca\.pem and ca-key\.pem"):
        make_certificates(folder, ["rack"])
    ca.write_bytes(whole)
    key.unlink()
    with pytest.raises(CallError, match=r"has only one of ca\.pem and ca-key\.pem"):
        make_certificates(folder, ["rack"])
    assert not key.exists()  # a new key would be of another authority than the machines' certificates
    assert not (folder / "rack").exists()


def test_no_certificate_outlasts_its_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(making, "datetime", Past)
        make_certificates(tmp_path, ["desk"], 3650)
    make_certificates(tmp_path, ["rack"], 3250)
    with pytest.raises(CallError, match=r"--days 3251 is longer than the authority in .* lasts"):
        make_certificates(tmp_path, ["phone"], 3251)


def test_where_certificates_belong_is_told_by_no_variable_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv(making.VARIABLE, str(tmp_path / "mine"))
    assert making.own_folder() == tmp_path / "mine"
    assert making.usual_folder() == tmp_path / "bnnbench/lab"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("tcp://lab.local:8786", "would be talked to unencrypted"),
        ("tcp://127.0.0.2:8786", "would be talked to unencrypted"),
        ("lab.local:8786", "not the address of a lab"),
        ("tls://lab.local", "not the address of a lab"),
        ("tls://lab.local:0", "not the address of a lab"),
        ("tls://lab.local:65536", "not the address of a lab"),
        ("https://lab.local:8786", "not the address of a lab"),
        ("tls://a b:8786", "not the address of a lab"),
        ("tls://..:8786", "not the address of a lab"),
        ("tls://lab..local:8786", "not the address of a lab"),
        (f"tls://{'a' * 64}:8786", "not the address of a lab"),
    ],
)
def test_wrong_addresses(text: str, match: str) -> None:
    with pytest.raises(CallError, match=match):
        parse_address(text)


def test_without_encryption_only_on_this_machine() -> None:
    assert listening("127.0.0.1", 0, insecure=True).text == "tcp://127.0.0.1:0"
    assert parse_address("tls://[::1]:8786").host == "[::1]"
    with pytest.raises(CallError, match="--insecure goes with"):
        listening("0.0.0.0", 8786, insecure=True)  # noqa: S104
    with pytest.raises(CallError, match="--port"):
        listening("127.0.0.1", 65536, insecure=False)


RUBBISH = (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 4096, b"\x08\0\0\0\0\0\0\0" * 3, b"")


@pytest.fixture(params=RUBBISH, ids=["http", "ones", "frames", "silent"])
def rubbish(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port that answers whatever is said with the same bytes, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                with suppress(OSError):
                    near.sendall(request.param)
                near.close()

    threading.Thread(target=answer, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.mark.parametrize("scheme", ["tls", pytest.param("tcp", marks=pytest.mark.slow)])
def test_a_scheduler_that_answers_rubbish_is_one_sentence(lab: Lab, rubbish: int, scheme: str) -> None:
    done = lab.user("lost").run("lab", "status", f"{scheme}://127.0.0.1:{rubbish}", timeout=60)
    assert done.returncode == 3, done.stderr
    assert "no lab answers at" in one_sentence(done.stderr)


@contextmanager
def encrypted(certificates: Path, answer: bytes | None) -> Iterator[int]:
    """A port of somebody who has a certificate of the lab and answers rubbish, or None: nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificates / making.CERTIFICATE), str(certificates / making.KEY))
    listener, kept = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                with suppress(OSError):
                    kept.append(context.wrap_socket(near, server_side=True))
                    kept[-1].sendall(answer or b"")

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        for each in (listener, *kept):
            each.close()


def test_rubbish_from_a_certified_scheduler_is_one_sentence(lab: Lab) -> None:
    with encrypted(lab.certificates, b"\xff" * 4096) as port:
        done = lab.user("lost").run("lab", "status", f"tls://127.0.0.1:{port}", timeout=60)
    assert done.returncode == 3
    assert "what answers is not the scheduler of a lab" in one_sentence(done.stderr)
    assert len(done.stderr.splitlines()) == 1  # and nothing of Dask's


def test_a_host_does_not_wait_for_a_scheduler_that_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_TIMEOUT_S", 0.2)
    (own,) = make_certificates(tmp_path, ["desk"])
    with (
        encrypted(own, None) as port,
        pytest.raises(CannotMeasure, match=r"no lab answers at .*\(there was no answer in time\)"),
    ):
        require_fit(parse_address(f"tls://127.0.0.1:{port}"), own, ["desk"])


@pytest.mark.slow
def test_no_scheduler_is_one_sentence(lab: Lab) -> None:
    done = lab.user("alone").run("run", "small.toml", "-d", "x", "--lab", f"tcp://127.0.0.1:{_free_port()}", timeout=60)
    assert done.returncode == 3, done.stderr
    assert "no lab answers at" in one_sentence(done.stderr)


def test_nothing_listens_that_answers_without_a_certificate(lab: Lab) -> None:
    """Every port of every process of the lab: Dask would open HTTP servers beside its own."""
    ports = {
        (name, socket_.laddr.port)
        for name, process in lab.processes.items()
        for socket_ in psutil.Process(process.pid).net_connections("tcp")
        if socket_.status == psutil.CONN_LISTEN
    }
    by_process = {name: {port for own, port in ports if own == name} for name in lab.processes}
    assert {name: len(found) for name, found in by_process.items()} == {"scheduler": 1, "near": 1, "far": 1}
    assert by_process["scheduler"] == {lab.port}
    for name, port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, suppress(OSError):
            plain.sendall(b"GET /json/identity.json HTTP/1.0\r\n\r\n")
            assert not answer(plain).startswith(b"HTTP/"), name


def answer(plain: socket.socket) -> bytes:
    """All of it, until the other end closes."""
    found = b""
    with suppress(OSError):
        while data := plain.recv(4096):
            found += data
    return found


def test_a_port_that_is_taken_is_one_sentence(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    address = parse_address(lab.address)
    with pytest.raises(CallError, match=r"cannot be listened at \(Address already in use\): choose another --port"):
        serve_scheduler(address, lab.certificates, lambda _: None)
    assert capfd.readouterr().err == ""
