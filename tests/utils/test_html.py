"""Pages, opened in a browser."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import needs_chromium, opened
from PIL import Image

from laa_cli.utils.html import page, slider

RED, BLUE = (200, 0, 0), (0, 0, 200)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A page with a slider from red to blue."""
    for name, colour in (("before.png", RED), ("after.png", BLUE)):
        Image.new("RGB", (100, 50), colour).save(tmp_path / name)
    path = tmp_path / "page.html"
    table = '<div class="scroll"><table><tr><th>method<td class="number">27.07</table></div>'
    path.write_text(page("A <report> & more", table + slider("before.png", "after.png", 'a "face"', 100, 50)))
    return path


def colours(picture: bytes) -> list[tuple[int, ...]]:
    """At 1/4 and 3/4 of a slider's width."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    middle, width = pixels.shape[0] // 2, pixels.shape[1]
    return [tuple(map(int, pixels[middle, width * part // 4])) for part in (1, 3)]


def test_every_value_is_escaped(report: Path) -> None:
    class Reader(HTMLParser):
        seen: list[tuple[str, dict[str, str | None]]] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.append((tag, dict(attrs)))

    text = report.read_text()
    Reader().feed(text)
    assert "<title>A &lt;report&gt; &amp; more</title>" in text
    pictures = [attributes for tag, attributes in Reader.seen if tag == "img"]
    assert [(p["src"], p["alt"], p["loading"]) for p in pictures] == [
        ("before.png", 'a "face", before', "lazy"),
        ("after.png", 'a "face", after', "lazy"),
    ]


@needs_chromium
@pytest.mark.parametrize("width", [400, 1200])
def test_the_slider_follows_mouse_finger_and_keys(report: Path, width: int) -> None:
    with opened(report, width) as tab:
        box = tab.locator(".slider")
        place = box.bounding_box()
        assert place is not None
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= width
        assert place["height"] == pytest.approx(place["width"] / 2, abs=1)
        assert colours(box.screenshot()) == [RED, BLUE]
        for share, shown in ((0.9, [RED, RED]), (0.1, [BLUE, BLUE])):
            tab.mouse.click(place["x"] + share * place["width"], place["y"] + place["height"] / 2)
            value = float(tab.locator("input").input_value())
            assert value == pytest.approx(100 * share, abs=1)  # the line is where the click was
            assert colours(box.screenshot()) == shown
        tab.touchscreen.tap(place["x"] + 0.6 * place["width"], place["y"] + 10)
        assert float(tab.locator("input").input_value()) == pytest.approx(60, abs=1)
        tab.keyboard.press("End")
        assert colours(box.screenshot()) == [RED, RED]
        tab.keyboard.press("ArrowLeft")
        assert float(tab.locator("input").input_value()) < 100
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


@needs_chromium
def test_dark_is_dark(report: Path) -> None:
    with opened(report, 400, dark=True) as tab:
        corner = Image.open(io.BytesIO(tab.screenshot())).convert("L").getpixel((2, 790))
        assert isinstance(corner, int)
        assert corner < 60
