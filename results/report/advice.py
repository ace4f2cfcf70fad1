"""What lint found in the models of a report: the page's section on what mending would save."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """A finding in a model: `saves` is what mending it saves, and `words` and `mend` are its sentences."""

    model: str
    finding: str
    saves: str
    words: str
    mend: str
