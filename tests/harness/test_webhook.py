"""Notifications: what a real server gets of them, and what becomes of those that it does not take."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnbench.harness.errors import CallError
from bnnbench.harness.tasks import webhook as module
from bnnbench.harness.tasks.notice import Notice, plain, slack
from bnnbench.harness.tasks.webhook import Webhook, webhook
from bnnbench.results.records import ComparisonRecord, Verdict
from bnnbench.results.verdict.remarks import Remarks, Unmeasured
from bnnbench.results.verdict.rows import VerdictRow
from tests.harness.hook_server import SECRET, Hook

pytestmark = pytest.mark.timeout(110)


@pytest.fixture
def hook() -> Iterator[Hook]:
    one = Hook([200])
    one.start()
    yield one
    one.close()


def notice(workload: str = "quicknet_s", status: int = 1) -> Notice:
    record = ComparisonRecord(id="c", workload=workload, device="pi4", threads=2, base_case="b", head_case="h", base="native@main", head="native")  # fmt: skip  # noqa: E501
    verdict = Verdict(comparison_id="c", metric="latency", unit="ns", status="ok", verdict="regression", effect=0.041, low=0.035, high=0.048, level=0.99, base_value=1e6, head_value=1.041e6, pairs=30)  # fmt: skip  # noqa: E501
    remarks = Remarks([Unmeasured("device 'pi5'", "it did not answer")])
    return Notice([VerdictRow(record, verdict)], remarks, ["20260131-142501-9f3a1c"], status)


def test_a_server_gets_the_bytes_of_the_format(hook: Hook) -> None:
    for format, render in (("slack", slack), ("json", plain)):
        assert Webhook(hook.url, format).post(notice()) is None
        path, headers, body = hook.got.pop()
        assert path == f"/services/{SECRET}"
        assert headers["Content-Type"] == "application/json"
        assert body == render(notice())
    assert not hook.got


def test_slack_is_told_what_regressed() -> None:
    document = json.loads(slack(notice()))
    assert list(document) == ["text"]
    assert document["text"].splitlines() == [
        "*bnnbench check: regression*",
        "1 case: 1 regression; not measured: device 'pi5'",
        "```",
        "quicknet_s x2 on pi4: +4.1 % latency (+3.5 .. +4.8 %, 30 pairs), 1.00 ms -&gt; 1.04 ms.",
        "not measured: device 'pi5': it did not answer",
        "base native@main",
        "```",
        "run 20260131-142501-9f3a1c",
    ]


def test_json_has_a_schema_and_the_verdicts_of_check() -> None:
    document = json.loads(plain(notice()))
    assert (document["schema"], document["event"], document["result"], document["exit_status"]) == (
        *(1, "check", "regression"),
        1,
    )
    assert document["run_ids"] == ["20260131-142501-9f3a1c"]
    (verdict,) = document["verdicts"]
    assert (verdict["workload"], verdict["verdict"], verdict["effect"]) == ("quicknet_s", "regression", 0.041)
    assert document["not_measured"] == [{"what": "device 'pi5'", "reason": "it did not answer"}]
    assert json.loads(plain(notice(status=0)))["result"] == "passed"


def test_names_cannot_mention_anybody_or_leave_their_block() -> None:
    text = json.loads(slack(notice("<!channel> @here & ```\n*x* <https://evil.example|click> \u202e")))["text"]
    assert "<" not in text
    assert text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").count("&") == 0
    assert "&lt;!channel&gt;" in text
    assert "@here" not in text
    assert text.count("```") == 2
    assert "://" not in text
    assert "\u202e" not in text
    assert len(slack(notice("n" * 100_000))) < 5_000


def test_a_server_in_trouble_is_asked_again_and_one_that_refuses_is_not(hook: Hook) -> None:
    pauses: list[float] = []
    hook.statuses = [503, 429, 200]
    assert Webhook(hook.url, "json").post(notice(), pauses.append) is None
    assert (len(hook.got), pauses) == (3, [1.0, 4.0])
    hook.got.clear()
    hook.statuses = [500]
    assert Webhook(hook.url, "json").post(notice(), pauses.append) == "HTTP 500, tried 3 times"
    assert len(hook.got) == 3
    hook.got.clear()
    hook.statuses = [404]
    assert Webhook(hook.url, "json").post(notice(), pauses.append) == "HTTP 404"
    assert len(hook.got) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(hook: Hook, status: int) -> None:
    other = Hook([200])
    other.start()
    try:
        hook.statuses, hook.location = [status], other.url
        why = Webhook(hook.url, "json").post(notice())
        assert why == f"the server redirects (HTTP {status}), which is not followed"
        assert not other.got
        assert len(hook.got) == 1
    finally:
        other.close()


def test_a_server_that_does_not_answer_is_not_waited_for(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.2)
    hook.slowly = threading.Event()
    assert Webhook(hook.url, "json").post(notice(), lambda _: None) == "no answer in time, tried 3 times"


def test_a_server_that_is_gone_is_one_phrase(hook: Hook) -> None:
    url = hook.url
    hook.close()
    hook.server = None
    why = Webhook(url, "json").post(notice(), lambda _: None)
    assert why == "no connection, tried 3 times"


def test_an_address_on_this_machine_goes_to_no_proxy(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Hook([200])
    proxy.start()
    try:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert Webhook(hook.url, "json").post(notice()) is None
        assert (len(hook.got), len(proxy.got)) == (1, 0)
        assert Webhook("http://hooks.invalid/x", "json").post(notice()) is None
        assert len(proxy.got) == 1
    finally:
        proxy.close()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1 that signs itself, and what a server needs of it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


def test_tls_needs_a_certificate_that_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public, context = certificate(tmp_path)
    hook = Hook([200])
    hook.start(context)
    try:
        assert Webhook(hook.url, "slack").post(notice()) == "its TLS certificate is not valid here"
        assert not hook.got
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
        assert Webhook(hook.url, "slack").post(notice()) is None
        assert hook.got[0][2] == slack(notice())
    finally:
        hook.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "needs the address of a webhook"),
        (f"http://example.org/{SECRET}", "http:// address"),
        (f"http://localhost.example.org/{SECRET}", "http:// address"),
        (f"ftp://example.org/{SECRET}", "not the address of a webhook"),
        (f"file:///{SECRET}", "not the address of a webhook"),
        (f"https:///{SECRET}", "not the address of a webhook"),
        (f"https://[::{SECRET}", "not the address of a webhook"),
        (f"https://example.org:99999/{SECRET}", "not the address of a webhook"),
        (f"https://example.org/{SECRET}\nHost: x", "not the address of a webhook"),
        (f"https://example.org/ü{SECRET}", "not the address of a webhook"),
        (f"https://user:{SECRET}@example.org/", "a user or a password"),
        (SECRET, "not the address of a webhook"),
    ],
)
def test_what_is_no_webhook_is_refused_without_being_repeated(url: str, words: str) -> None:
    with pytest.raises(CallError, match=words) as raised:
        webhook({module.URL: url})
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_the_format_is_that_of_the_host_unless_it_is_set() -> None:
    assert webhook({module.URL: "https://hooks.slack.com/services/x"}).format == "slack"
    assert webhook({module.URL: "https://example.org/x"}).format == "json"
    assert webhook({module.URL: "https://example.org/x", module.FORMAT: "slack"}).format == "slack"
    with pytest.raises(CallError, match="none of the formats slack and json"):
        webhook({module.URL: "https://example.org/x", module.FORMAT: "teams"})
    assert SECRET not in repr(webhook({module.URL: f"https://example.org/{SECRET}"}))
