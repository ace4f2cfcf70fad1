"""Runs as single files: packed, checked against a manifest, signed, unpacked. Nothing of an archive is executed."""
