"""Strings of devices, engines and files, made harmless for a terminal or a chart."""


def printable(text: str, plain: bool = False) -> str:
    """`text` without anything that steers a terminal or that XML forbids; with `plain`, in ASCII."""
    kept = "".join(character if character.isprintable() else "?" for character in text.replace("\n", " "))
    return kept.encode("ascii", "replace").decode("ascii") if plain else kept


def shorten(text: str, most: int) -> str:
    """Printable `text` with its middle left out when it is longer than `most`: both ends tell names apart."""
    text = printable(text)
    if len(text) <= most:
        return text
    tail = (most - 1) * 3 // 5
    return text[: most - 1 - tail] + "…" + text[len(text) - tail :]
