"""Adds to XMP packets: properties, items of arrays, or a packet where there is none; what was there stays byte for byte."""

from __future__ import annotations

import re

from .extended_xmp import declarations
from .xmp import RDF, Edit, Element, Packet, Property

ARRAYS = {(RDF, "Seq"), (RDF, "Bag"), (RDF, "Alt")}
TAG_NAME = re.compile(rb"<([^\s>/]+)")


def add_properties(packet: Packet, rdf: Element, properties: bytes) -> Edit:
    """Adds properties, elements that declare their own namespaces, to a packet. `rdf`: its rdf:RDF."""
    about = next((found.value for outer in packet.descriptions() for found in outer.attributes if is_about(found.name)), None)
    quoted = packet.content[about.start - 1 : about.end + 1] if about else b'""'
    return append(packet, rdf, description(properties, quoted))


def is_about(name: tuple[str, str]) -> bool:
    """Whether an attribute says what is described: in old packets without a prefix."""
    return name[1] == "about" and name[0] in (RDF, "")


def description(properties: bytes, about: bytes = b'""') -> bytes:
    """Builds a description. `about`: what of, in quotes."""
    return b"<rdf:Description%b rdf:about=%b>%b</rdf:Description>" % (declarations({"rdf": RDF}), about, properties)


def new_packet(properties: bytes) -> bytes:
    """Builds a packet of these properties, elements that declare their own namespaces."""
    start = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'.encode()
    rdf = b"<rdf:RDF%b>%b</rdf:RDF>" % (declarations({"rdf": RDF}), description(properties))
    return start + rdf + b'</x:xmpmeta>\n<?xpacket end="w"?>'


def arrays_in(element: Property | None) -> list[Element]:
    """Returns the arrays in an element; none in what is no element."""
    return [child for child in element.children if child.name in ARRAYS] if isinstance(element, Element) else []


def append(packet: Packet, element: Element, added: bytes) -> Edit:
    """Adds to the end of what an element holds. One edit an element: it may have to be opened for it."""
    if element.close != element.end:
        return Edit(element.close, element.close, added)
    name = TAG_NAME.match(packet.content, element.start)
    assert name is not None  # it was parsed
    return Edit(element.end - 2, element.end, b">%b</%b>" % (added, name[1]))


def undeclared(element: Element, prefixes: dict[str, str]) -> bytes:
    """Builds the attributes that declare, on what is added to an element, those namespaces, by prefix, that it has not."""
    scope = element.scope()
    return declarations({prefix: uri for prefix, uri in {"rdf": RDF, **prefixes}.items() if scope.get(prefix) != uri})
