"""Face regions in XMP (MWG, Microsoft, ACDSee), subject areas and panoramas: moved along with the pixels.

Convention, after the Metadata Working Group: areas and AppliedToDimensions are those of the stored, not yet upright picture.
Where AppliedToDimensions have the shape of the upright picture and not of the stored one, whoever wrote them meant the upright
one, and no face region is turned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from .geometry import ONE, Turn, format_number, parse_number
from .xmp import EXIF, Edit, Element, Name, Packet, Property, Value, fields, items, removal

MICROSOFT = "http://ns.microsoft.com/photo/1.2/"
MICROSOFT_INFO = f"{MICROSOFT}t/RegionInfo#"
MICROSOFT_REGION = f"{MICROSOFT}t/Region#"
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
PANORAMA_LENGTHS = {  # in pixels: 0 across, 1 down
    "FullPanoWidthPixels": 0, "CroppedAreaImageWidthPixels": 0, "CroppedAreaLeftPixels": 0,
    "FullPanoHeightPixels": 1, "CroppedAreaImageHeightPixels": 1, "CroppedAreaTopPixels": 1,
    "LargestValidInteriorRectLeft": 0, "LargestValidInteriorRectWidth": 0,
    "LargestValidInteriorRectTop": 1, "LargestValidInteriorRectHeight": 1,
}  # fmt: skip


@dataclass(frozen=True)
class RegionSchema:
    """The namespaces of a kind of face regions, and what it calls an area."""

    regions: str
    dimensions: str
    area: str
    areas: tuple[str, ...]


DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
AREA = "http://ns.adobe.com/xmp/sType/Area#"  # the Working Group's, and what digiKam, Lightroom and ExifTool write
OTHER_AREA = "http://ns.adobe.com/xap/1.0/sType/Area#"  # by analogy with DIMENSIONS
ACDSEE_TYPES = "http://ns.acdsee.com/sType/"
SCHEMAS = (
    RegionSchema("http://www.metadataworkinggroup.com/schemas/regions/", DIMENSIONS, AREA, ("Area",)),
    RegionSchema("http://ns.acdsee.com/regions/", f"{ACDSEE_TYPES}Dimensions#", f"{ACDSEE_TYPES}Area#", ("DLYArea", "ALGArea")),
)
NAMESPACES = (
    *(uri for schema in SCHEMAS for uri in (schema.regions, schema.dimensions, schema.area)),
    *(OTHER_AREA, MICROSOFT, MICROSOFT_INFO, MICROSOFT_REGION, EXIF, IPTC_EXTENSION, PANORAMA),
)
REGIONS = {(schema.regions, "Regions"): schema for schema in SCHEMAS}
Size = tuple[int, int]  # width and height, in pixels
Point = tuple[Decimal, Decimal]


@dataclass(frozen=True)
class Move:
    """From a stored picture of size `old` in that orientation to an upright one of size `new`."""

    orientation: int
    old: Size
    new: Size

    @property
    def turn(self) -> Turn:
        """The turn, in pixels of the stored picture."""
        return Turn(self.orientation, Decimal(self.old[0]), Decimal(self.old[1]))

    @property
    def scale(self) -> Point:
        """How many times as wide and as high the turned picture becomes."""
        width, height = self.turn.size(Decimal(self.old[0]), Decimal(self.old[1]))
        return Decimal(self.new[0]) / width, Decimal(self.new[1]) / height


def move_regions(packet: Packet, move: Move) -> tuple[list[Edit], list[str]]:
    """Moves everything in a packet that is a place in the picture: the edits, and the names of what has to be left out."""
    edits: list[Edit] = []
    left_out: list[str] = []
    properties = list(packet.properties())
    faces = replace(move, orientation=face_orientation(properties, move))
    for found in properties:
        label, edit = kind_of(found)
        moved = moved_or_removed(found, partial(edit, found, faces if edit in (face_edits, microsoft_edits) else move))
        edits += moved
        left_out += [label] * any(not edit.replacement for edit in moved)
    return edits, left_out


def moved_or_removed(found: Property, edit: Callable[[], list[Edit]]) -> list[Edit]:
    """Returns the edits of a property or a region, or the removal of one that is damaged."""
    try:
        return edit()
    except ValueError:
        return [removal(found)]


def kind_of(found: Property) -> tuple[str, Callable[[Property, Move], list[Edit]]]:
    """Returns what a property is called where it has to be left out, and what moves it."""
    if found.name in REGIONS:
        return "damaged face regions", face_edits
    if found.name == (MICROSOFT, "RegionInfo"):
        return "damaged face regions", microsoft_edits
    if found.name in ((EXIF, "SubjectArea"), (EXIF, "SubjectLocation")):
        return "damaged subject area", subject_edits
    if found.name == (IPTC_EXTENSION, "ImageRegion"):
        return "image regions (IPTC)", image_region_edits
    if found.name[0] == PANORAMA and found.name[1] in PANORAMA_LENGTHS:
        return "panorama geometry", panorama_edits
    return "", lambda *_: []


# Face regions of the Metadata Working Group, and ACDSee's, which have the same structure


def face_orientation(properties: list[Property], move: Move) -> int:
    """Returns the orientation that face regions have to be turned by: 1 where they were written for the upright picture."""
    sizes = [applied_size(dimensions_of(found)) for found in properties if found.name in REGIONS]
    size = next((size for size in sizes if size is not None), None)
    width, height = (Decimal(value) for value in move.old)
    transposed = (height, width)
    if size is None or move.orientation < 5 or size == (width, height):
        return move.orientation
    if size == transposed or (same_shape(size, transposed) and not same_shape(size, (width, height))):
        return 1
    return move.orientation


def same_shape(size: Point, other: Point) -> bool:
    """Checks whether two sizes have the same ratio of width to height, within one percent."""
    first, second = size[0] * other[1], size[1] * other[0]
    return abs(first - second) * 100 <= first


def dimensions_of(regions: Property) -> dict[Name, Property]:
    """Returns the fields of AppliedToDimensions; none where there are none."""
    schema = REGIONS[regions.name]
    found = fields(regions).get((schema.regions, "AppliedToDimensions")) if isinstance(regions, Element) else None
    return fields(found) if isinstance(found, Element) else {}


def applied_size(dimensions: dict[Name, Property]) -> Point | None:
    """Returns width and height of AppliedToDimensions, None where there are none, or damaged ones."""
    by_name = {name[1]: found.value.text for name, found in dimensions.items()}
    try:
        width, height = (parse_number(by_name[key]) for key in "wh")
    except (KeyError, ValueError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def face_edits(found: Property, move: Move) -> list[Edit]:
    """Moves regions, and writes AppliedToDimensions anew; removes damaged ones. Raises ValueError on what is no structure."""
    if not isinstance(found, Element):
        raise ValueError("the regions are no structure")
    schema, said, dimensions = REGIONS[found.name], fields(found), dimensions_of(found)
    applied = applied_size(dimensions)
    old = applied or (Decimal(move.old[0]), Decimal(move.old[1]))
    upright_size = Turn(move.orientation).size(*old)
    by_name = {name[1]: place.value for name, place in dimensions.items()}
    counts_pixels = "unit" not in by_name or by_name["unit"].text.strip() == "pixel"
    new = new_dimensions(upright_size, move) if counts_pixels else upright_size
    edits: list[Edit] = []
    if applied:
        edits += [*number_edit(by_name["w"], new[0]), *number_edit(by_name["h"], new[1])]
    elif damaged := said.get((schema.regions, "AppliedToDimensions")):
        edits.append(removal(damaged))
    frame = Frame(move.orientation, old, (new[0] / upright_size[0], new[1] / upright_size[1]))
    for region in items(said.get((schema.regions, "RegionList"))):
        edits += moved_or_removed(region, partial(region_edits, region, schema, frame))
    return edits


def region_edits(region: Element, schema: RegionSchema, frame: Frame) -> list[Edit]:
    """Moves one region. Raises ValueError on damage."""
    edits: list[Edit] = []
    for name, area in fields(region).items():
        if name[0] == schema.regions and name[1] in schema.areas and isinstance(area, Element):
            edits += area_edits({key[1]: place.value for key, place in fields(area).items()}, frame)
    return edits


def new_dimensions(upright: Point, move: Move) -> Point:
    """Returns AppliedToDimensions after the move: the new picture's size, if `upright` has its shape.

    Otherwise the regions were made for another crop of the picture; then they stay as far from its shape as they were.
    """
    new = Decimal(move.new[0]), Decimal(move.new[1])
    if same_shape(upright, new):
        return new
    scale = move.scale
    return Decimal(round(upright[0] * scale[0])), Decimal(round(upright[1] * scale[1]))


@dataclass(frozen=True)
class Frame:
    """What areas lie in: its orientation, its size in pixels, and how many times larger it becomes once turned."""

    orientation: int
    size: Point
    scale: Point


def area_edits(area: dict[str, Value], frame: Frame) -> list[Edit]:
    """Moves one area (x and y of its middle, w and h or d), normalized or in pixels. Raises ValueError on damage."""
    if not {"x", "y"} <= area.keys():
        return []
    in_pixels = "unit" in area and area["unit"].text.strip() == "pixel"
    turn = Turn(frame.orientation, *frame.size) if in_pixels else Turn(frame.orientation)
    scale = frame.scale if in_pixels else (ONE, ONE)
    x, y = turn.point(parse_number(area["x"].text), parse_number(area["y"].text))
    edits = [*number_edit(area["x"], x * scale[0]), *number_edit(area["y"], y * scale[1])]
    if {"w", "h"} <= area.keys():
        width, height = turn.size(parse_number(area["w"].text), parse_number(area["h"].text))
        edits += [*number_edit(area["w"], width * scale[0]), *number_edit(area["h"], height * scale[1])]
    if "d" in area and in_pixels:
        edits += number_edit(area["d"], parse_number(area["d"].text) * scale[0])
    return edits


def number_edit(value: Value, number: Decimal) -> list[Edit]:
    """Writes another number in the place of a value; nothing where it is the same."""
    if parse_number(value.text) == number:
        return []
    return [Edit(value.start, value.end, format_number(number).encode())]


# Other places in the picture


def microsoft_edits(found: Property, move: Move) -> list[Edit]:
    """Turns Microsoft's rectangles: "x, y, w, h", normalized, from the upper left corner; damaged regions are removed."""
    edits: list[Edit] = []
    regions = fields(found).get((MICROSOFT_INFO, "Regions")) if isinstance(found, Element) else None
    for region in items(regions) if move.orientation != 1 else ():
        edits += moved_or_removed(region, partial(rectangle_edits, region, Turn(move.orientation)))
    return edits


def rectangle_edits(region: Element, turn: Turn) -> list[Edit]:
    """Turns one rectangle. Raises ValueError on damage."""
    rectangle = fields(region).get((MICROSOFT_REGION, "Rectangle"))
    if rectangle is None:
        return []
    x, y, width, height = (parse_number(part) for part in rectangle.value.text.split(","))
    numbers = *turn.corner(x, y, width, height), *turn.size(width, height)
    return [Edit(rectangle.value.start, rectangle.value.end, ", ".join(map(format_number, numbers)).encode())]


def subject_edits(found: Property, move: Move) -> list[Edit]:
    """Moves EXIF's subject area, in pixels, where XMP has it too. Raises ValueError on damage."""
    values = [item.value for item in items(found)]
    moved = move_subject([int(parse_number(value.text)) for value in values], move)
    return [edit for value, number in zip(values, moved, strict=True) for edit in number_edit(value, Decimal(number))]


def move_subject(values: list[int], move: Move) -> list[int]:
    """Moves a subject area: a point; with a diameter; or with width and height. ValueError on another number of values."""
    if len(values) not in (2, 3, 4):
        raise ValueError(f"a subject area does not have {len(values)} numbers")
    across, down = move.scale
    x, y = move.turn.point(Decimal(values[0]), Decimal(values[1]))
    moved = [x * across, y * down]
    if len(values) == 3:
        moved.append(values[2] * across)
    elif len(values) == 4:
        width, height = move.turn.size(Decimal(values[2]), Decimal(values[3]))
        moved += [width * across, height * down]
    return [round(value) for value in moved]


def panorama_edits(found: Property, move: Move) -> list[Edit]:
    """Scales a panorama's lengths, in pixels. ValueError where the panorama was turned."""
    if move.orientation != 1:
        raise ValueError("a panorama cannot be turned")
    return number_edit(found.value, round(parse_number(found.value.text) * move.scale[PANORAMA_LENGTHS[found.name[1]]], 0))


def image_region_edits(found: Property, move: Move) -> list[Edit]:
    """Keeps the image regions of IPTC where nothing has to be moved: normalized, in an upright picture. Else ValueError."""
    regions = [fields(item) for item in items(found)]
    boundaries = [region.get((IPTC_EXTENSION, "RegionBoundary")) for region in regions]
    units = [fields(boundary).get((IPTC_EXTENSION, "rbUnit")) for boundary in boundaries if isinstance(boundary, Element)]
    if move.orientation != 1 or any(unit is None or unit.value.text.strip() != "relative" for unit in units):
        raise ValueError("image regions cannot be moved")
    return []
