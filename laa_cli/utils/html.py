"""Self-contained, responsive HTML pages with a light and a dark colour scheme, and a before/after slider."""

from __future__ import annotations

from html import escape

from .text import printable

STYLE = """
:root { color-scheme: light dark; --line: #8885; --quiet: #777; --accent: #0a7 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2.5rem } h3 { font-size: 1rem }
img { max-width: 100%; height: auto } .scroll img { max-width: none }
p, figcaption, summary { overflow-wrap: anywhere }
figure { margin: 0 } figcaption, small { color: var(--quiet) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
th { white-space: nowrap } td:first-child { min-width: 7rem } .number { text-align: right; white-space: nowrap }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(16rem, 100%), 1fr)) }
.wide { grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr)) }
.slider { --at: 50%; position: relative; overflow: hidden; width: 100%; border-radius: 6px; background: var(--line) }
.slider img { position: absolute; inset: 0; width: 100%; height: 100% }
.slider img + img { clip-path: inset(0 0 0 var(--at)) }
.slider::after { content: ""; position: absolute; inset: 0 auto 0 var(--at); width: 2px; margin-left: -1px; background: #fff;
  box-shadow: 0 0 3px #000; pointer-events: none }
.slider span { position: absolute; top: .4rem; padding: 0 .4rem; border-radius: 4px; font-size: .75rem; color: #fff;
  background: #0009; pointer-events: none }
.slider span { left: .4rem } .slider span + span { left: auto; right: .4rem }
.slider input { position: absolute; top: 0; left: -22px; width: calc(100% + 44px); height: 100%; margin: 0; cursor: ew-resize;
  appearance: none; background: none; touch-action: pan-y }
.slider input::-webkit-slider-thumb { appearance: none; width: 44px; height: 44px; background: none }
.slider input::-moz-range-thumb { width: 44px; height: 44px; border: 0; background: none }
.slider:focus-within { outline: 3px solid var(--accent) }
"""
# The range input is wider than the pictures by its thumb, so that the thumb's middle is on the dividing line; the thumb is as
# wide as a finger, because phones move a range by its thumb only.


def escaped(text: str) -> str:
    """Escapes a text for HTML, quotes too, with what `printable` shows as escapes."""
    return escape(printable(text))


def page(title: str, body: str) -> str:
    """Builds a complete HTML page. `title`: plain text, escaped here. `body`: HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{escaped(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def slider(before: str, after: str, alt: str, width: int, height: int) -> str:
    """Builds a before/after slider of two pictures, which is moved by mouse, finger or arrow keys.

    `before`, `after`: `data:` URIs or relative URLs. `alt`: alternative text. `width`, `height`: in px, or their ratio.
    """
    pictures = "".join(
        f'<img src="{escape(source)}" alt="{escaped(alt)}, {when}" loading="lazy" width="{width}" height="{height}">'
        for source, when in ((before, "before"), (after, "after"))
    )
    return (
        f'<div class="slider" style="aspect-ratio: {width} / {height}">{pictures}<span>before</span><span>after</span>'
        f'<input type="range" min="0" max="100" value="50" step="any" aria-label="{escaped(alt)}: share of before, %" '
        "oninput=\"this.parentNode.style.setProperty('--at', this.value + '%')\"></div>"
    )
