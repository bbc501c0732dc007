"""The tutorials are a path: what each page promises, shows and asks, and the order of its words.

The pages are executed when the documentation is built; a failed ``assert`` of an answer fails it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parent.parent / "docs" / "tutorials"
PAGES = sorted(TUTORIALS.glob("[0-9][0-9]-*.md"))
CELL = re.compile(r"^```\{code-cell\}.*?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EVERYDAY = {"valid", "group", "label", "flatten", "momentum", "module", "loss", "class"}
"""Words that may also be meant as everyday words, or as Python's, before their page."""

pages = pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return what a page says outside of its code and its links' targets."""
    plain = CELL.sub("", text(page).split("---", 2)[2])
    plain = re.sub(r"`[^`]*`", "", plain)
    return re.sub(r"\]\([^)]*\)", "]", plain)


def words() -> dict[int, list[str]]:
    """Return the words that the glossary lists, by the number of their page."""
    listed: dict[int, list[str]] = {}
    for section in re.split(r"^## ", text(TUTORIALS / "words.md"), flags=re.MULTILINE)[1:]:
        entries = re.findall(r"^(?!```|\s)(.+)$", section.split("```{glossary}")[1], re.MULTILINE)
        listed[int(section.split(".")[0])] = entries
    return listed


def uses(word: str, said: str) -> list[str]:
    """Return every use of a word, also as a plural or in other letters."""
    spaced = re.escape(word).replace(r"\ ", r"\s+")
    found = re.finditer(rf".{{0,30}}\b{spaced}(?:s|es|ed|ing)?\b.{{0,30}}", said, re.IGNORECASE)
    return [match[0] for match in found]


def test_the_path_has_ten_pages_in_order() -> None:
    assert [int(page.stem[:2]) for page in PAGES] == list(range(1, 11))
    listed = re.findall(r"^(\d\d-\S+)$", text(TUTORIALS / "index.md"), re.MULTILINE)
    assert listed == [page.stem for page in PAGES]


@pages
def test_a_page_says_what_it_will_show(page: Path) -> None:
    number = int(page.stem[:2])
    head = re.search(r"^# (\d+)\. .+\n\nYou will ", text(page), re.MULTILINE)
    assert head
    assert int(head[1]) == number
    assert "{nb-download}`" in text(page)
    assert f"<{page.stem}.ipynb>`" in text(page)


@pages
def test_a_page_draws_a_picture(page: Path) -> None:
    cells = CELL.findall(text(page))
    assert any(re.search(r"^(plotting\.|figure|plt\.)", cell, re.MULTILINE) for cell in cells)


@pages
def test_a_page_ends_with_two_exercises_whose_answers_are_tested(page: Path) -> None:
    _, exercises = text(page).split("\n## Exercises\n")
    assert "\n## " not in exercises
    one, two = re.split(r"^\*\*2\.\*\* ", exercises, flags=re.MULTILINE)
    assert one.strip().startswith("**1.** ")
    for exercise in (one, two):
        (answer,) = CELL.findall(exercise)
        assert ":tags: [hide-cell]" in exercise
        assert "code_prompt_show: An answer" in exercise
        assert re.search(r"^ *assert ", answer, re.MULTILINE)


@pages
def test_a_page_leads_to_the_next(page: Path) -> None:
    later = PAGES[PAGES.index(page) + 1 :]
    if later:
        assert f"({later[0].name})" in text(page)[-600:]


@pages
def test_a_page_explains_its_words_and_uses_none_of_a_later_page(page: Path) -> None:
    number, said = int(page.stem[:2]), prose(page)
    for word in words()[number]:
        bold = " ".join(re.findall(r"\*\*(.+?)\*\*", said, re.DOTALL))
        assert uses(word, bold), f"{word!r} is not explained, in bold"
    too_early = {
        word: uses(word, said)
        for later, listed in words().items()
        for word in listed
        if later > number and word not in EVERYDAY and uses(word, said)
    }
    assert not too_early


@pages
def test_code_fits_a_page(page: Path) -> None:
    lines = [line for cell in CELL.findall(text(page)) for line in cell.splitlines()]
    assert [line for line in lines if len(line) > 96] == []
