"""Marks a photo as made with trained networks, in XMP: IPTC's term for what it is now, and in its history what made it so."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from ...utils.text import printable
from .regions import IPTC_EXTENSION
from .xmp import RDF, Edit, Element, Packet, Property, XmpError, apply_edits, fields, items, normalize
from .xmp_additions import add_properties, append, arrays_in, new_packet, undeclared

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITE = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
ALL_SYNTHETIC = f"{SOURCE_TYPES}trainedAlgorithmicMedia"  # says more than COMPOSITE, and stays
SOURCE_TYPE = (IPTC_EXTENSION, "DigitalSourceType")
MEDIA, EVENT = "http://ns.adobe.com/xap/1.0/mm/", "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
HISTORY = (MEDIA, "History")
SOURCE_ELEMENT = (
    f'<Iptc4xmpExt:DigitalSourceType xmlns:Iptc4xmpExt="{IPTC_EXTENSION}">{COMPOSITE}</Iptc4xmpExt:DigitalSourceType>'.encode()
)


def mark(xmp: bytes | None, agent: str) -> bytes:
    """Marks a packet as that of a photo which `agent`, a program with its version, made with trained networks.

    Without a time, so that the same photo gives the same bytes. Where the history ends with the same, nothing is added to it. A
    new packet is built where there is none, or a damaged one.
    """
    agent = printable(agent)
    packet = parse_marked(xmp)
    rdf = packet.rdf() if packet else None
    if packet is None or rdf is None:
        return new_packet(SOURCE_ELEMENT + history_element(agent))
    properties = list(packet.properties())
    edits = [edit for found in properties if found.name == SOURCE_TYPE for edit in source_edits(found)]
    added = b"" if any(found.name == SOURCE_TYPE for found in properties) else SOURCE_ELEMENT
    history = next((found for found in properties if found.name == HISTORY and isinstance(found, Element)), None)
    if isinstance(history, Element):
        edits += history_edits(packet, history, agent)
    else:
        added += history_element(agent)
    return apply_edits(packet.content, [*edits, add_properties(packet, rdf, added)] if added else edits)


def parse_marked(xmp: bytes | None) -> Packet | None:
    """Parses a packet; None where there is none, or one that is damaged."""
    try:
        return Packet(normalize(xmp), (IPTC_EXTENSION, MEDIA, EVENT)) if xmp else None
    except XmpError:
        return None


def source_edits(found: Property) -> list[Edit]:
    """Sets the source type that is there to the composite's."""
    value = found.value
    if isinstance(found, Element) and (found.attributes or found.close == found.end):
        return [Edit(found.start, found.end, SOURCE_ELEMENT)]
    return [] if value.text.strip() in (COMPOSITE, ALL_SYNTHETIC) else [Edit(value.start, value.end, COMPOSITE.encode())]


def history_edits(packet: Packet, history: Element, agent: str) -> list[Edit]:
    """Adds an item to the history; a history that is no array gives way to one."""
    arrays = arrays_in(history)
    if not arrays:
        return [Edit(history.start, history.end, history_element(agent))]
    said = [event_of(item) for item in items(history)]
    if said and said[-1] == {"action": "edited", "softwareAgent": agent}:
        return []
    return [append(packet, arrays[0], event(agent, undeclared(arrays[0], {"stEvt": EVENT})))]


def event_of(item: Element) -> dict[str, str]:
    """Returns what an item of the history says."""
    return {name[1]: found.value.text.strip() for name, found in fields(item).items() if name[0] == EVENT}


def history_element(agent: str) -> bytes:
    """Builds a history of one item."""
    declared = f'xmlns:xmpMM="{MEDIA}" xmlns:rdf="{RDF}" xmlns:stEvt="{EVENT}"'.encode()
    return b"<xmpMM:History %b><rdf:Seq>%b</rdf:Seq></xmpMM:History>" % (declared, event(agent))


def event(agent: str, declared: bytes = b"") -> bytes:
    """Builds an item of the history. `declared`: the namespaces that have to be declared on it."""
    return b'<rdf:li%b stEvt:action="edited" stEvt:softwareAgent=%b/>' % (declared, quoteattr(agent).encode())
