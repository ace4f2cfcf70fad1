"""The bucket of a store, through boto3: the only file that talks to a server."""

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from bnnbench.results.errors import StoreError
from bnnbench.results.printable import harmless
from bnnbench.results.store.atomic import replacing
from bnnbench.results.store.remote.address import Address
from bnnbench.results.store.remote.layout import Object

_CHUNK = 1 << 20
_MOST_OBJECTS = 5_000_000
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CONNECT_S, _READ_S, _ATTEMPTS = 5, 15, 3
_BRIEF_S = 3
"""Between two measurements nothing is waited for longer than this, and nothing is tried twice."""


class AwayError(StoreError):
    """The server cannot be reached, or cannot answer now; trying again later may help. `why` says it in a few words."""

    def __init__(self, address: Address, why: str) -> None:
        self.why = why
        super().__init__(f"{address} can't be reached ({why}): check the network and AWS_ENDPOINT_URL, then try again")


class ExistsError(StoreError):
    """There is an object of this name already, or another one than was expected."""

    def __init__(self) -> None:
        super().__init__("another program changed an object of the store at the same time: try again")


class GoneError(StoreError):
    """There is no such object any more."""

    def __init__(self) -> None:
        super().__init__("another program removed an object of the store at the same time: try again")


class _UnsupportedError(StoreError):
    """The server does not know conditional requests."""

    def __init__(self) -> None:
        super().__init__("the server of the store does not know a request that is needed: use another one")


class Bucket:
    """The objects below the prefix of a store. Names are keys without the prefix.

    Every method raises AwayError while the server cannot be reached, StoreError when it refuses.
    """

    def __init__(self, address: Address, session: Any = None) -> None:
        """`session` is the boto3 session of a bucket that is used briefly; None: a new one."""
        self.address = address
        self._session = session or _session(address)
        self._client = _client(address, self._session, is_brief=session is not None)

    def brief(self) -> "Bucket":
        """The same, which waits for a server no longer than `_BRIEF_S`, and tries nothing twice."""
        return Bucket(self.address, self._session)

    @property
    def endpoint(self) -> str:
        """The server's URL; empty for Amazon's, where the name of a bucket is unique."""
        url: str = self._client.meta.endpoint_url
        host = urlsplit(url).hostname or ""
        return "" if host.endswith((".amazonaws.com", ".amazonaws.com.cn")) else url

    def list(self, below: str = "") -> Iterator[Object]:
        """Every object whose name begins with `below`, in requests of 1,000 objects each."""
        prefix, start = self.address.key(below), len(self.address.key(""))
        token: dict[str, str] = {}
        count = 0
        while True:
            with self._sentences("list"):
                page = self._client.list_objects_v2(Bucket=self.address.bucket, Prefix=prefix, **token)
            for item in page.get("Contents", ()):
                yield Object(item["Key"][start:], item.get("ETag", ""), item["Size"])
            count += len(page.get("Contents", ()))
            if not page.get("IsTruncated"):
                return
            if count > _MOST_OBJECTS:
                raise StoreError(f"{self.address} has more than {_MOST_OBJECTS:,} objects: use more than one store")
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def head(self, name: str) -> Object | None:
        """An object; None where there is none."""
        try:
            with self._sentences("read"):
                found = self._client.head_object(**self._at(name))
        except GoneError:
            return None
        return Object(name, found.get("ETag", ""), found["ContentLength"])

    def read(self, item: Object, file: BinaryIO) -> None:
        """Writes the content of an object to a file. Raises GoneError when it is not what was listed any more."""
        with self._sentences("read"):
            answer = self._client.get_object(**self._at(item.name), **({"IfMatch": item.etag} if item.etag else {}))
            left = item.size
            with answer["Body"] as body:
                while left and (chunk := body.read(min(left, _CHUNK))):
                    file.write(chunk)
                    left -= len(chunk)
        if left:
            raise AwayError(self.address, "an object was cut off")

    def fetch(self, item: Object, path: Path, mode: int = 0o644) -> None:
        """Writes an object to `path`, which is whole or absent. Raises GoneError, as `read`."""
        with replacing(path, mode) as file:
            self.read(item, file)

    def create(self, name: str, content: bytes | Path) -> str:
        """Makes an object and returns its ETag. Raises ExistsError when there is one of this name with other content;
        one with the same content is left as it is, so a request whose answer was lost can be sent again."""
        try:
            return self._put(name, content, IfNoneMatch="*")
        except (ExistsError, _UnsupportedError) as error:
            found = self.head(name)
            if found is not None and is_content(found, content):
                return found.etag
            if found is not None or isinstance(error, ExistsError):
                raise ExistsError from None
        return self._put(name, content)

    def replace(self, name: str, content: bytes | Path, etag: str | None = None) -> str:
        """Makes an object, also in the place of another, and returns its ETag.

        Raises ExistsError when the one that is there does not have this ETag, or GoneError when it is gone.
        """
        try:
            return self._put(name, content, **({"IfMatch": etag} if etag else {}))
        except _UnsupportedError:
            return self._put(name, content)

    def delete(self, name: str) -> None:
        """Removes an object, if it is there."""
        with self._sentences("delete"), suppress(GoneError):
            self._client.delete_object(**self._at(name))

    def _put(self, name: str, content: bytes | Path, **condition: str) -> str:
        digest = base64.b64encode(bytes.fromhex(_md5(content))).decode()
        with self._sentences("write"), _opened(content) as body:
            answer = self._client.put_object(**self._at(name), Body=body, ContentMD5=digest, **condition)
        etag: str = answer.get("ETag", "")
        return etag

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self.address.bucket, "Key": self.address.key(name)}

    @contextmanager
    def _sentences(self, verb: str) -> Iterator[None]:
        """What boto3 raises as this module's errors. Messages of servers are not repeated: they may hold anything."""
        from botocore import exceptions as boto
        from urllib3.exceptions import HTTPError

        try:
            yield
        except boto.ClientError as error:
            raise self._refusal(error.response, verb) from None
        except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError):
            raise StoreError(
                f"there are no credentials for {self.address}: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            ) from None
        except (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, HTTPError) as error:
            raise AwayError(self.address, _words(error)) from None
        except boto.BotoCoreError as error:
            raise StoreError(f"{self.address} can't be used ({type(error).__name__}): check ~/.aws/config") from None

    def _refusal(self, response: Mapping[str, Any], verb: str) -> Exception:
        code = harmless(str(response.get("Error", {}).get("Code", "")))[:64]
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket":
            return StoreError(f"there is no bucket {self.address.bucket}: create it, or name another --store")
        if code == "NotImplemented":
            return _UnsupportedError()
        if status in (409, 412):
            return GoneError() if verb == "read" else ExistsError()
        if status == 404:
            return GoneError()
        if status >= 500 or status == 429 or code in ("SlowDown", "RequestTimeout", "Throttling"):
            return AwayError(self.address, f"HTTP {status}")
        return StoreError(
            f"the server refuses to {verb} objects of {self.address} ({code}): check the credentials and their rights"
        )


def is_content(item: Object, content: bytes | Path) -> bool:
    """Whether an object has this content, as far as its listing tells: ETags of encrypted objects are no digests."""
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    etag = item.etag.strip('"')
    is_digest = len(etag) == 32 and all(letter in "0123456789abcdef" for letter in etag)
    return item.size == size and (not is_digest or etag == _md5(content))


def _session(address: Address) -> Any:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError:
        raise StoreError(f"{address} needs boto3: pip install 'bnnbench[s3]'") from None
    try:
        return boto3.session.Session()
    except (BotoCoreError, ValueError) as error:
        raise _unusable(address, error) from None


def _client(address: Address, session: Any, is_brief: bool) -> Any:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        connect_timeout=_BRIEF_S if is_brief else _CONNECT_S,
        read_timeout=_BRIEF_S if is_brief else _READ_S,
        retries={"mode": "standard", "total_max_attempts": 1 if is_brief else _ATTEMPTS},
        max_pool_connections=16,
        # Servers other than Amazon's may not know the newer checksums; uploads have a Content-MD5.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        client = session.client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise _unusable(address, error) from None
    _require_private(client.meta.endpoint_url)
    return client


def _unusable(address: Address, error: Exception) -> StoreError:
    return StoreError(
        f"{address} can't be used ({type(error).__name__}): check AWS_PROFILE, AWS_ENDPOINT_URL and ~/.aws/config"
    )


def _require_private(url: str) -> None:
    """Raises StoreError for an endpoint with a password in it, and for one without TLS that nobody asked for."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise StoreError(
            "the endpoint's URL holds a user or a password: remove them from AWS_ENDPOINT_URL, and set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if parts.scheme == "https" or parts.hostname in _LOCAL_HOSTS:
        return
    if not any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS):
        raise StoreError(
            f"the endpoint {parts.hostname} is used without TLS: write https:// in ~/.aws/config, or set "
            "AWS_ENDPOINT_URL to its http:// URL for a network that you trust"
        )


def _words(error: Exception) -> str:
    """What went wrong with a connection, in two words or three, without the URL."""
    from botocore import exceptions as boto

    kinds = {
        boto.EndpointConnectionError: "no connection",
        boto.ConnectTimeoutError: "no connection in time",
        boto.ReadTimeoutError: "no answer in time",
        boto.SSLError: "no valid TLS certificate",
        boto.ConnectionClosedError: "the connection was closed",
    }
    return next((words for kind, words in kinds.items() if isinstance(error, kind)), type(error).__name__)


def _md5(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.md5(content, usedforsecurity=False).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextmanager
def _opened(content: bytes | Path) -> Iterator[bytes | BinaryIO]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        yield file
