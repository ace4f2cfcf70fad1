"""Tables in a terminal: nothing is cut, no number is split, and what finds no room is named."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from bnnbench.results.sheet import Column, Sheet, folded, say

COLUMNS = [
    Column("workload", folds=True),
    Column("engine"),
    Column("latency", right=True),
    Column("trust", folds=True),
    Column("speed", right=True, rank=1),
    Column("first run", right=True, rank=2),
]
ROWS = [
    ("quicknet with a name of many words", "native", "2.89 ms (2.57-4.31)", "low: VM, load", "2,412 GOPS", "53.7 µs"),
    ("bconv2d 56x56x64->64 3x3 s2 relu", "lce-best", "16.6 µs (14.5-31.0)", "high", "1.20 GOPS", "1,849 s"),
    ("a_rather_long_model_file_name_from_a_customer_v2_final.tflite op 17", "numba", "skipped", "", "", ""),
]


def sheet(rows: list[tuple[str, ...]] = ROWS) -> Sheet:
    made = Sheet(*COLUMNS)
    for row in rows:
        made.add(*row)
    return made


def printed(made: Sheet, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    made.print(console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


NUMBER = re.compile(r"\d[\d.,]*(?: (?:[nµm]?s|GOPS))?(?: \([\d.,]+-[\d.,]+\))?")


@pytest.mark.parametrize("width", range(40, 201))
def test_every_number_that_is_shown_is_whole_at_any_width(width: int) -> None:
    text = printed(sheet(), width)
    left_out = re.search(r"left out at \d+ columns: (.*);", text.replace("\n", " "))
    missing = left_out[1].split(", ") if left_out else []
    for row in ROWS:
        for column, cell in zip(COLUMNS, row, strict=True):
            if column.title in missing:
                continue
            words = NUMBER.findall(cell) if not column.folds else cell.split()
            for word in words:
                whole = re.escape(word) if len(word) <= 24 else "_\\s*".join(map(re.escape, word.split("_")))
                assert re.search(whole, text) or all(part in text for part in word.split("_")), (word, text)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text


def test_where_there_is_room_a_row_is_a_line() -> None:
    lines = printed(sheet(), 1_000_000).splitlines()
    assert len(lines) == 2 + len(ROWS)
    for line, row in zip(lines[2:], ROWS, strict=True):
        assert all(cell in line for cell in row)


def test_less_important_columns_go_first_and_are_named() -> None:
    done = [sheet().layout(width).left_out for width in range(200, 39, -1)]
    assert [each for number, each in enumerate(done) if not number or each != done[number - 1]] == [
        [], ["first run"], ["speed", "first run"], [],
    ]  # fmt: skip
    assert "left out at 65 columns: speed, first run; to see them: the same command with | cat" in printed(
        sheet(), 65
    ).replace("\n", " ")


def test_where_even_the_most_important_do_not_fit_each_row_is_a_block_with_all_of_it() -> None:
    text = printed(sheet(), 45)
    assert "left out" not in text
    for title, cell in zip(COLUMNS[1:], ROWS[0][1:], strict=True):
        assert re.search(rf"^  {title.title} +{re.escape(cell)}$", text, re.MULTILINE)


def test_a_column_that_is_empty_is_not_shown() -> None:
    assert "trust" not in printed(sheet([("a", "b", "c", "", "e", "f")]), 80)


def test_nothing_to_show() -> None:
    assert printed(sheet([]), 80) == ""


@pytest.mark.parametrize(
    "whole",
    [
        *("5.0 %", "2.89 ms", "2.89 ms,", "(+4.8 .. +5.4 %)", "1,849 GOPS", "80 °C", "-0.9 points", "3.1 MB;"),
        *("12.5 us", "1.80 GHz", "-1.4 .. -0.4", "16 GB/s"),
    ],
)
def test_a_number_and_its_unit_stay_together(whole: str) -> None:
    text = Text(f"words before {whole} and after")
    for width in range(1, 40):
        lines = [line.plain for line in folded(text, width)]
        assert any(whole in line for line in lines), (width, lines)
        assert " ".join(lines) == text.plain


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=30)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=6), min_size=1, max_size=4), st.integers(20, 200))
@settings(max_examples=150, deadline=None)
def test_no_letter_is_lost_whatever_is_in_the_cells(rows: list[list[str]], width: int) -> None:
    made = Sheet(Column("one", folds=True), Column("two", folds=True), Column("three", right=True))
    for words in rows:
        made.add(" ".join(words), words[-1], words[0])
    text = "".join(line.plain for line in made.layout(width).lines)
    bare = re.sub(r"\s", "", text)
    for words in rows:
        for word in words:
            for letter in Text(word).plain:
                assert letter in bare or not letter.isprintable()


def test_styles_stay_with_their_words() -> None:
    made = Sheet(Column("one", folds=True), Column("two"))
    made.add(Text("red words that fold", "red"), Text("green", "green"))
    for line in made.layout(16).lines[2:]:
        assert {str(span.style) for span in line.spans} <= {"red", "green", ""}


def test_a_command_that_is_to_be_copied_has_no_line_break_in_it() -> None:
    console = Console(file=io.StringIO(), width=30, color_system=None)
    say(console, "accept its key with `ssh-keyscan -p 2222 a_host.lab >> /a/known_hosts`, then try again")
    assert str(console.file.getvalue()).splitlines() == [  # type: ignore[attr-defined]
        *("accept its key with", "`ssh-keyscan -p 2222 a_host.lab >> /a/known_hosts`,", "then try again"),
    ]


def test_a_sentence_folds_at_spaces() -> None:
    console = Console(file=io.StringIO(), width=30, color_system=None)
    say(
        console,
        "effects of at least 5.0 % would have been detected with 90 % probability; pairs differ by 6.0 %\x1b[2J",
    )
    assert str(console.file.getvalue()).splitlines() == [  # type: ignore[attr-defined]
        *(
            "effects of at least 5.0 %",
            "would have been detected with",
            "90 % probability; pairs differ",
            "by 6.0 %?[2J",
        ),
    ]
