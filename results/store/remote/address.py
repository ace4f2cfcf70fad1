"""`s3://bucket/prefix`: where a store in object storage is."""

import re
from dataclasses import dataclass
from os import PathLike

from bnnbench.results.errors import StoreError

_SCHEME = re.compile(r"s3:/{1,2}(?=[^/])")
"""`pathlib` makes one slash of two, so both mean the same."""
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PART = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._=+-]{1,128}")
_LONGEST = 512


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket, and the beginning of the keys in it, without slashes at its ends; empty: the whole bucket."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """The key of a file, named as in a store folder."""
        return f"{self.prefix}/{name}" if self.prefix else name


def is_address(place: str | PathLike[str]) -> bool:
    """Whether a store is named by its address in object storage."""
    return _SCHEME.match(str(place)) is not None


def parse(place: str | PathLike[str]) -> Address:
    """The address that a user wrote. Raises StoreError, which never repeats what may be a password."""
    rest = _SCHEME.sub("", str(place), count=1)
    if "@" in rest:
        raise StoreError(
            "the address of a store holds no user and no password: remove them from the s3:// URL, and set AWS_PROFILE "
            "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    bucket, _, prefix = rest.rstrip("/").partition("/")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise StoreError(f"{bucket!r} is not the name of a bucket: write s3://BUCKET/PREFIX")
    if prefix and (len(prefix) > _LONGEST or not all(map(_PART.fullmatch, prefix.split("/")))):
        raise StoreError(
            f"{prefix!r} is not a prefix for a store: use letters, digits and . _ = + - between single slashes"
        )
    return Address(bucket, prefix)
