"""Pages that share a long list out among them: where they lie, the ways from one to another, and the list of them all.

The first page is the gallery's own, `index.html`. The others lie in `.laa/pages`, among the thumbnails that they need anyway:
no photo and no file of a person can have a name there, so nothing has to be looked at before it is written over or removed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ..utils.html import escaped, page
from .thumbnails import FOLDER

NAME = "index.html"
PER_PAGE = 500  # photos, or failures: 0.6 MB of HTML where photos have two faces
PAGES = f"{FOLDER}/pages"
CONTENTS = f"{PAGES}/contents.html"
FURTHER_PAGE = re.compile(re.escape(f"{PAGES}/") + r"(?:(?:photos|failed)-[0-9]+|contents)\.html")
JUMPS = (1, 2, 10, 100)  # pages, either way, that a page leads to beside the first and the last one
STYLE = """<style>
nav { display: flex; flex-wrap: wrap; gap: .4rem; margin: 1rem 0 }
nav > * { box-sizing: border-box; min-width: 44px; padding: 0 .7rem; line-height: 44px; text-align: center; border-radius: 6px }
nav > a { border: 1px solid var(--line) } nav > span { color: var(--quiet) } nav > i { min-width: 0; padding: 0 }
a:focus-visible { outline: 3px solid var(--accent) }
.pages a { display: block; padding: .6rem 0; overflow-wrap: anywhere }
</style>"""


@dataclass(frozen=True)
class Series:
    """The pages of a list of `length`, numbered from 1; the first is there even where the list is empty.

    `kind`: what the file names of further pages begin with. `first`: where the list begins in the gallery's own page.
    """

    kind: str
    length: int
    first: str = NAME

    @property
    def pages(self) -> int:
        """How many there are."""
        return max(1, -(-self.length // PER_PAGE))

    def span(self, number: int) -> slice:
        """Says which part of the list is on a page."""
        return slice((number - 1) * PER_PAGE, min(number * PER_PAGE, self.length))

    def path(self, number: int) -> str:
        """Names a page's file, relative to the folder of the results."""
        return NAME if number == 1 else f"{PAGES}/{self.kind}-{number}.html"

    def url(self, number: int, root: str) -> str:
        """Builds the URL of a page for one whose way to the folder of the results is `root`."""
        return root + (self.first if number == 1 else self.path(number))


def to_url(name: str, root: str) -> str:
    """Quotes any file name as a relative URL. `root`: the way to the folder that the name is relative to."""
    return root + quote(os.fsencode(name))


def way_to_root(path: str) -> str:
    """Says how a page leads to the folder that its name is relative to: "" or "../", repeated."""
    return "../" * path.count("/")


def build_navigation(series: Series, number: int) -> str:
    """Builds the ways from a page to the others of its series, and to the list of them; where it is alone, nothing."""
    if series.pages == 1:
        return ""
    root = way_to_root(series.path(number))
    steps = {"First": 1, "Previous": number - 1, "Next": number + 1, "Last": series.pages}
    links = [build_link(series, number, target, text) for text, target in steps.items()]
    before = 0
    for target in nearby(number, series.pages):
        links += ["<i>…</i>"] * (target > before + 1) + [build_link(series, number, target, str(target))]
        before = target
    return f'<nav aria-label="Pages">{"".join(links)}<a href="{root}{CONTENTS}">All pages by name</a></nav>'


def build_link(series: Series, number: int, target: int, text: str) -> str:
    """Builds a link from one page to another; where that is the page itself, or is not there, the text alone."""
    if target == number or not 1 <= target <= series.pages:
        return f'<b aria-current="page">{text}</b>' if text.isdigit() else f"<span>{text}</span>"
    return f'<a href="{series.url(target, way_to_root(series.path(number)))}">{text}</a>'


def nearby(number: int, last: int) -> list[int]:
    """The numbers of the pages that a page leads to, with its own."""
    jumps = {number + sign * jump for jump in JUMPS for sign in (-1, 1)}
    return sorted({1, number, last} | {target for target in jumps if 1 <= target <= last})


def build_contents(lists: Sequence[tuple[str, Series, Sequence[str]]]) -> str:
    """Builds the list of all pages, by the first and the last name on each. `lists`: each series' heading, pages and names."""
    root = way_to_root(CONTENTS)
    parts = "\n".join(
        f'<h2>{heading}</h2>\n<ol class="pages">{"".join(build_ranges(series, names, root))}</ol>'
        for heading, series, names in lists
        if names
    )
    text = "Each page from its first photo to its last, in the order of their names."
    return page("All pages by name", f'{STYLE}\n<nav><a href="{root}{NAME}">First page</a></nav>\n<p>{text}</p>\n{parts}')


def build_ranges(series: Series, names: Sequence[str], root: str) -> Iterator[str]:
    """Builds a line for each page."""
    for number in range(1, series.pages + 1):
        span = series.span(number)
        first, last = escaped(names[span.start]), escaped(names[span.stop - 1])
        yield f'<li><a href="{series.url(number, root)}">{first} <small>to</small> {last}</a>'
