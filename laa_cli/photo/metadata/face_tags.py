"""Face tags: the named regions that photo libraries keep in XMP (MWG, Microsoft, ACDSee), as boxes in the picture."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from .geometry import parse_number
from .regions import (
    MICROSOFT,
    MICROSOFT_INFO,
    MICROSOFT_REGION,
    REGIONS,
    RegionSchema,
    applied_size,
    dimensions_of,
    same_shape,
)
from .xmp import Element, Packet, Property, fields, items
from .xmp_cleaning import parse

Box = tuple[float, float, float, float]  # left, top, right, bottom (xyxy)
KINDS = [*REGIONS, (MICROSOFT, "RegionInfo")]  # of two boxes of a face the first's is kept

MAX_REGIONS = 1000  # that are looked at; no photo has as many faces that somebody tagged
MAX_TAGS = 300
MAX_NAME = 100  # characters
SAME_FACE_IOU = 0.4  # from which two boxes with one name are one face, tagged in two formats
JOINERS = "\u200c\u200d"  # letters and emoji are spelled with them, unlike with all else that does not show


@dataclass(frozen=True)
class FaceTag:
    """A face that somebody tagged, in pixels of the upright picture, continuous: pixel 0 reaches from 0 to 1.

    `name`: one line of at most 100 characters, without control characters, "" where the tag has none. What steers a page or a
    table, as in "<b>" or "[red]", is for whoever shows it to escape.
    """

    name: str
    box_xyxy: Box


def read_face_tags(xmp: bytes | None, width: int, height: int) -> tuple[FaceTag, ...]:
    """Reads the face tags of a cleaned packet, of an upright picture of that size: 300 at most, each face once.

    Tags whose middle is outside the picture, without an area, damaged, or made for a crop of another shape are passed over;
    what of a box lies outside is cut off.
    """
    packet = parse(xmp) if xmp else None
    found: list[FaceTag] = []
    for tag in islice(read_regions(packet, width, height), MAX_REGIONS) if packet else ():
        box = inside(tag.box_xyxy, width, height) if tag else None
        if tag and box:
            add_tag(found, replace(tag, box_xyxy=box))
    return tuple(found[:MAX_TAGS])


def add_tag(tags: list[FaceTag], tag: FaceTag) -> None:
    """Adds a tag, or only its name to the same face's that has none; nothing where the face is there already."""
    for place, other in enumerate(tags):
        same_name = other.name.casefold() == tag.name.casefold() or "" in (other.name, tag.name)
        if same_name and overlap(other.box_xyxy, tag.box_xyxy) >= SAME_FACE_IOU:
            tags[place] = replace(other, name=other.name or tag.name)
            return
    tags.append(tag)


def read_regions(packet: Packet, width: int, height: int) -> Iterator[FaceTag | None]:
    """Yields the tag of each region, MWG's first, with its box as it is said; None of one that is damaged or no face."""
    properties = [found for found in packet.properties() if isinstance(found, Element)]
    for found in sorted(properties, key=lambda found: KINDS.index(found.name) if found.name in KINDS else len(KINDS)):
        if found.name in REGIONS:
            yield from mwg_tags(found, REGIONS[found.name], width, height)
        elif found.name == (MICROSOFT, "RegionInfo"):
            yield from microsoft_tags(found, width, height)


def mwg_tags(regions: Element, schema: RegionSchema, width: int, height: int) -> Iterator[FaceTag | None]:
    """Yields the faces among regions of the Metadata Working Group, or ACDSee's."""
    unit = unit_px(regions, width, height)
    for region in items(fields(regions).get((schema.regions, "RegionList"))) if unit else ():
        said = fields(region)
        kind, name = (text_of(said.get((schema.regions, label))) for label in ("Type", "Name"))
        areas = [said.get((schema.regions, area)) for area in schema.areas]
        area = next((found for found in areas if isinstance(found, Element)), None)
        box = area_box(area, unit, width, height) if area and unit else None
        yield FaceTag(read_name(name), box) if box and kind.strip().casefold() in ("face", "") else None


def unit_px(regions: Element, width: int, height: int) -> tuple[float, float] | None:
    """Returns how many pixels of the picture one of AppliedToDimensions is, across and down; None in another shape."""
    applied = applied_size(dimensions_of(regions))
    if applied is None:
        return 1.0, 1.0
    size = parse_number(f"{width}"), parse_number(f"{height}")
    return (width / float(applied[0]), height / float(applied[1])) if same_shape(applied, size) else None


def area_box(area: Element, unit: tuple[float, float], width: int, height: int) -> Box | None:
    """Returns the box of an area, by its middle and its size or diameter; None of a damaged one."""
    said = {name[1]: found.value.text for name, found in fields(area).items()}
    across, down = unit if said.get("unit", "").strip() == "pixel" else (float(width), float(height))
    try:
        numbers = {key: float(parse_number(said[key])) for key in "xywhd" if key in said}
        x, y = numbers["x"] * across, numbers["y"] * down
        if "w" in numbers and "h" in numbers:
            w, h = numbers["w"] * across, numbers["h"] * down
        else:
            w = h = numbers["d"] * min(across, down)  # normalized by the shorter side
    except (KeyError, ValueError):
        return None
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def microsoft_tags(info: Element, width: int, height: int) -> Iterator[FaceTag | None]:
    """Yields Microsoft's tags."""
    for region in items(fields(info).get((MICROSOFT_INFO, "Regions"))):
        said = fields(region)
        rectangle, name = (text_of(said.get((MICROSOFT_REGION, key))) for key in ("Rectangle", "PersonDisplayName"))
        try:
            x, y, w, h = (float(parse_number(part)) for part in rectangle.split(","))
        except ValueError:
            yield None
        else:
            yield FaceTag(read_name(name), (x * width, y * height, (x + w) * width, (y + h) * height))


def text_of(found: Property | None) -> str:
    """Returns a simple property's text, "" where there is none."""
    return found.value.text if found else ""


def read_name(text: str) -> str:
    """Returns a name on one line: NFC, spaces collapsed, without what does not show or turns a line around."""
    spaced = " ".join(text[: 4 * MAX_NAME].split())
    shown = "".join(letter for letter in spaced if letter in JOINERS or unicodedata.category(letter) not in ("Cc", "Cf", "Cs"))
    return " ".join(unicodedata.normalize("NFC", shown).split())[:MAX_NAME].strip(JOINERS + " ")


# Boxes


def inside(box: Box, width: int, height: int) -> Box | None:
    """Cuts off what of a box lies outside the picture; None where its middle does, or it is less than a pixel wide or high."""
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    if not (all(map(math.isfinite, box)) and 0 <= x <= width and 0 <= y <= height):
        return None
    cut = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
    return cut if cut[2] - cut[0] >= 1 and cut[3] - cut[1] >= 1 else None


def overlap(first: Box, second: Box) -> float:
    """Returns the intersection over union (IoU) of two boxes."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return shared / (sum(areas) - shared)
