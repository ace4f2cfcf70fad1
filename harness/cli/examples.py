"""The examples at the end of a help page."""

from __future__ import annotations

from cyclopts import App


def give_own_examples(group: App) -> None:
    """Each command of a group shows those of the group's examples that call it."""
    title, *lines = str(group.help_epilogue).splitlines()
    for name in group:
        if not name.startswith("-"):
            own = [line for line in lines if f"bnnbench {group.name[0]} {name}" in line]
            group[name].help_epilogue = "\n".join([title, *own])
