"""The index of a store: a cache of its runs' tables, which can be deleted at any time."""
