"""What `--json` prints, as types: a module for the commands that go together. `bnnbench schema` shows their schemas."""
