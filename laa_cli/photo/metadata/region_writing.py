"""Adds face regions to XMP: MWG's, and Microsoft's where the packet has them, in the pixels of the stored picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from .face_tags import Box
from .geometry import Turn, format_number
from .regions import (
    MICROSOFT,
    MICROSOFT_INFO,
    MICROSOFT_REGION,
    SCHEMAS,
    Move,
    Point,
    Size,
    applied_size,
    dimensions_of,
    face_orientation,
    same_shape,
)
from .xmp import RDF, Edit, Element, Packet, apply_edits, fields
from .xmp_additions import add_properties, append, arrays_in, new_packet, undeclared

MWG = SCHEMAS[0]
PREFIXES = {"mwg-rs": MWG.regions, "stDim": MWG.dimensions, "stArea": MWG.area}
MICROSOFT_PREFIXES = {"MPReg": MICROSOFT_REGION}
INVERSE = {6: 8, 8: 6}  # of the orientations; the others are their own
PLACES = Decimal("1e-9")  # of normalized coordinates


@dataclass(frozen=True)
class Area:
    """A normalized box: its upper left corner and its size."""

    x: Decimal
    y: Decimal
    w: Decimal
    h: Decimal


def add_face_regions(packet: Packet | None, boxes: Sequence[Box], move: Move) -> bytes:
    """Adds a region without a name for each box, in pixels of the upright picture and inside it.

    `move`: from the stored picture to the upright one. Raises ValueError where the regions that are there were made for a crop
    of another shape.
    """
    rdf = packet.rdf() if packet else None
    properties = list(packet.properties()) if packet else []
    orientation = face_orientation(properties, move)
    size = move.old if orientation == move.orientation else move.new
    areas = [stored_area(box, orientation, move.new) for box in boxes]
    if packet is None or rdf is None:
        return new_packet(regions_element(areas, size))
    elements = [found for found in properties if isinstance(found, Element)]
    regions = next((found for found in elements if found.name == (MWG.regions, "Regions")), None)
    info = next((found for found in elements if found.name == (MICROSOFT, "RegionInfo")), None)
    edits = microsoft_edits(packet, info, areas) if info else []
    if regions is None:
        edits.append(add_properties(packet, rdf, regions_element(areas, size)))
    else:
        edits += mwg_edits(packet, regions, areas, size)
    return apply_edits(packet.content, edits)


def stored_area(box: Box, orientation: int, upright: Size) -> Area:
    """Turns a box of the upright picture back to the stored one."""
    left, top, right, bottom = (Decimal(value) / side for value, side in zip(box, upright * 2, strict=True))
    turn = Turn(INVERSE.get(orientation, orientation))
    return Area(*turn.corner(left, top, right - left, bottom - top), *turn.size(right - left, bottom - top))


def number(value: Decimal) -> str:
    """Formats a normalized coordinate."""
    return format_number(value.quantize(PLACES))


# MWG's


def mwg_edits(packet: Packet, regions: Element, areas: Sequence[Area], size: Size) -> list[Edit]:
    """Adds regions to those that are there. Raises ValueError where they were made for a crop of another shape."""
    said = fields(regions)
    if not said:
        return [Edit(regions.start, regions.end, regions_element(areas, size))]
    edits, missing = [], b""
    declared = undeclared(regions, PREFIXES)
    if not has_dimensions(regions, size):
        dimensions = said.get((MWG.regions, "AppliedToDimensions"))
        edits += [Edit(dimensions.start, dimensions.end)] if dimensions else []
        missing += dimensions_element(size, declared)
    listed = said.get((MWG.regions, "RegionList"))
    arrays = arrays_in(listed)
    if arrays:
        items = b"".join(mwg_item(area, undeclared(arrays[0], PREFIXES)) for area in areas)
        edits.append(append(packet, arrays[0], items))
    else:
        edits += [Edit(listed.start, listed.end)] if listed else []
        missing += list_element(areas, declared)
    holder = next((child for child in regions.children if child.name == (RDF, "Description")), regions)
    return [*edits, append(packet, holder, missing)] if missing else edits


def has_dimensions(regions: Element, size: Size) -> bool:
    """Whether AppliedToDimensions say the picture's shape; False without any. Raises ValueError where they say another."""
    applied = applied_size(dimensions_of(regions))
    picture: Point = Decimal(size[0]), Decimal(size[1])
    if applied is not None and not same_shape(applied, picture):
        width, height = map(format_number, applied)
        raise ValueError(f"its face regions are those of a picture of {width}x{height}, not of {size[0]}x{size[1]}")
    return applied is not None


def regions_element(areas: Sequence[Area], size: Size) -> bytes:
    """Builds MWG's property, with its own namespaces."""
    declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in {"rdf": RDF, **PREFIXES}.items()).encode()
    inside = dimensions_element(size) + list_element(areas)
    return b'<mwg-rs:Regions%b rdf:parseType="Resource">%b</mwg-rs:Regions>' % (declared, inside)


def dimensions_element(size: Size, declared: bytes = b"") -> bytes:
    """Builds AppliedToDimensions."""
    said = f'stDim:w="{size[0]}" stDim:h="{size[1]}" stDim:unit="pixel"'.encode()
    return b"<mwg-rs:AppliedToDimensions%b %b/>" % (declared, said)


def list_element(areas: Sequence[Area], declared: bytes = b"") -> bytes:
    """Builds the list of regions."""
    items = b"".join(mwg_item(area) for area in areas)
    return b"<mwg-rs:RegionList%b><rdf:Bag>%b</rdf:Bag></mwg-rs:RegionList>" % (declared, items)


def mwg_item(area: Area, declared: bytes = b"") -> bytes:
    """Builds one region."""
    numbers = {"x": area.x + area.w / 2, "y": area.y + area.h / 2, "w": area.w, "h": area.h}
    said = "".join(f'stArea:{key}="{number(value)}" ' for key, value in numbers.items())
    inside = f'<rdf:Description mwg-rs:Type="Face"><mwg-rs:Area {said}stArea:unit="normalized"/></rdf:Description>'
    return b"<rdf:li%b>%b</rdf:li>" % (declared, inside.encode())


# Microsoft's


def microsoft_edits(packet: Packet, info: Element, areas: Sequence[Area]) -> list[Edit]:
    """Adds rectangles to those that are there."""
    regions = fields(info).get((MICROSOFT_INFO, "Regions"))
    arrays = arrays_in(regions)
    if not arrays:
        return []
    declared = undeclared(arrays[0], MICROSOFT_PREFIXES)
    return [append(packet, arrays[0], b"".join(microsoft_item(area, declared) for area in areas))]


def microsoft_item(area: Area, declared: bytes) -> bytes:
    """Builds one rectangle."""
    rectangle = ", ".join(map(number, (area.x, area.y, area.w, area.h)))
    return b'<rdf:li%b><rdf:Description MPReg:Rectangle="%b"/></rdf:li>' % (declared, rectangle.encode())
