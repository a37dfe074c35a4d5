"""XMP packets: finds properties by namespace and edits their bytes in place, so that all else stays byte for byte.

A packet is parsed by expat, and nothing in it is expanded: a document type (DTD), and with it every entity but XML's five, is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

Name = tuple[str, str]  # a namespace's URI and the local name

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
TIFF = "http://ns.adobe.com/tiff/1.0/"
EXIF = "http://ns.adobe.com/exif/1.0/"
XMP = "http://ns.adobe.com/xap/1.0/"
NOTE = "http://ns.adobe.com/xmp/note/"
HDR_GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"
CONTAINER = "http://ns.google.com/photos/1.0/container/"
GOOGLE_CAMERA = "http://ns.google.com/photos/1.0/camera/"
# What a prefix stands for in packets that use it without declaring it.
USUAL_PREFIXES = {
    "rdf": RDF, "tiff": TIFF, "exif": EXIF, "xmp": XMP, "xmpNote": NOTE, "hdrgm": HDR_GAIN_MAP, "Container": CONTAINER,
    "GCamera": GOOGLE_CAMERA,
}  # fmt: skip
MAX_DEPTH = 200  # of elements in elements
MAX_PARTS = 250_000  # elements and attributes that are kept: a hostile packet of 10 MB has millions
MAX_TEXT = 1024  # characters of an element's text that are looked at: no number is longer
ATTRIBUTE = re.compile(rb"""\s([^\s=<>"']+)\s*=\s*("[^"]*"|'[^']*')""")
START_TAG = re.compile(rb"""<[^\s<>"'/]+(?:\s+[^\s=<>"']+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*(/?)>""")


class XmpError(ValueError):
    """A packet that is no well-formed XML, or has a document type."""


@dataclass(frozen=True)
class Value:
    """A simple property's text and where its bytes lie in the packet."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Attribute:
    """An attribute and where it lies in the packet, with the whitespace character before it."""

    name: Name
    value: Value
    start: int
    end: int


@dataclass
class Element:
    """An element, where it lies in the packet, and what it holds.

    `declared`: the namespaces declared on it, by prefix; `outer`: the element around it.
    """

    start: int
    tag_end: int
    declared: dict[str, str]
    outer: Element | None
    name: Name = ("", "")
    attributes: list[Attribute] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)
    text: str = ""
    close: int = 0  # where the end tag begins
    end: int = 0

    @property
    def value(self) -> Value:
        """Its text, where it has no children."""
        return Value(self.text, self.tag_end, self.close)

    def resolve(self, name: str, default: str = "") -> Name:
        """Resolves a prefixed name; `default`: the namespace of a name without prefix."""
        prefix, colon, local = name.partition(":")
        return (self.namespace(prefix), local) if colon else (default, name)

    def namespace(self, prefix: str) -> str:
        """Returns the namespace of a prefix: "" where it has none."""
        element: Element | None = self
        while element is not None:
            if prefix in element.declared:
                return element.declared[prefix]
            element = element.outer
        return USUAL_PREFIXES.get(prefix, "")

    def scope(self) -> dict[str, str]:
        """Collects the namespaces declared around it and on it, by prefix."""
        found: dict[str, str] = {}
        element: Element | None = self
        while element is not None:
            found = element.declared | found
            element = element.outer
        return found


Property = Attribute | Element


class Packet:
    """A parsed packet. `root`: its outermost element. Raises XmpError.

    Of the tree only the elements in `namespaces` are kept, RDF's own, and the properties right below a description.
    """

    def __init__(self, content: bytes, namespaces: Iterable[str] = ()) -> None:
        self.content = content
        self.namespaces = {RDF, *namespaces}
        self.stack: list[Element] = []
        self.skipped = 0  # elements that are open inside one that is not kept
        self.parts = 0
        self.root: Element | None = None
        parser = expat.ParserCreate("utf-8")
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = refuse_document_type
        parser.StartElementHandler = lambda name, attributes: self.start(parser.CurrentByteIndex, name, attributes)
        parser.EndElementHandler = lambda name: self.finish(parser.CurrentByteIndex)
        parser.CharacterDataHandler = self.add_text
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise XmpError(str(error)) from error

    def start(self, at: int, name: str, attributes: list[str]) -> None:
        """Opens an element whose tag begins at byte `at`."""
        if self.skipped or (self.stack and not self.kept(self.stack[-1])):
            self.skipped += 1
            check(self.skipped <= MAX_DEPTH, "it is nested too deeply")
            return
        self.parts += 1 + len(attributes) // 2
        check(self.parts <= MAX_PARTS, "it has too many parts")
        check(len(self.stack) <= MAX_DEPTH, "it is nested too deeply")
        match = START_TAG.match(self.content, at)
        if match is None:
            raise XmpError("its bytes are not as they were parsed")
        spans = list(ATTRIBUTE.finditer(self.content, at, match.end()))
        pairs = list(zip(attributes[::2], attributes[1::2], spans, strict=True))
        declared = {key[6:]: uri for key, uri, _ in pairs if key == "xmlns" or key.startswith("xmlns:")}
        parent = self.stack[-1] if self.stack else None
        element = Element(at, match.end(), declared, parent)
        element.name = element.resolve(name, element.namespace(""))
        element.attributes = [
            Attribute(element.resolve(key), Value(text, span.start(2) + 1, span.end(2) - 1), span.start(), span.end())
            for key, text, span in pairs
        ]
        if match[1]:
            element.close = element.end = match.end()
        if parent and (self.kept(element) or parent.name == (RDF, "Description")):
            parent.children.append(element)
        self.root = self.root or element
        self.stack.append(element)

    def kept(self, element: Element) -> bool:
        """Whether what is inside an element is kept."""
        return element.name[0] in self.namespaces or element.outer is None

    def finish(self, at: int) -> None:
        """Closes the innermost element, whose end tag begins at byte `at`."""
        if self.skipped:
            self.skipped -= 1
            return
        element = self.stack.pop()
        if not element.end:
            element.close, element.end = at, self.content.index(b">", at) + 1

    def add_text(self, text: str) -> None:
        """Adds text to the innermost element."""
        if self.stack and not self.skipped and len(self.stack[-1].text) < MAX_TEXT:
            self.stack[-1].text += text

    def rdf(self) -> Element | None:
        """Returns the rdf:RDF element."""
        root = self.root
        candidates = [root, *root.children] if root else []
        return next((element for element in candidates if element.name == (RDF, "RDF")), None)

    def descriptions(self) -> list[Element]:
        """Returns the elements that hold the picture's properties; without rdf:RDF it is the outermost one."""
        rdf = self.rdf()
        if rdf is None:
            return [self.root] if self.root else []
        return [child for child in rdf.children if child.name == (RDF, "Description")]

    def properties(self) -> Iterator[Property]:
        """Yields the picture's properties, as attributes or as elements."""
        for description in self.descriptions():
            yield from description.attributes
            yield from description.children


def check(holds: bool, reason: str) -> None:
    """Raises XmpError with that reason where a condition does not hold."""
    if not holds:
        raise XmpError(reason)


def refuse_document_type(*_: object) -> NoReturn:
    """Refuses a document type: it may define entities."""
    raise XmpError("it has a document type")


def fields(struct: Element) -> dict[Name, Property]:
    """Returns a structure's fields by name: attributes, elements, or those of an rdf:Description inside."""
    found: dict[Name, Property] = {}
    for element in (struct, *(child for child in struct.children if child.name == (RDF, "Description"))):
        found |= {attribute.name: attribute for attribute in element.attributes}
        found |= {child.name: child for child in element.children if child.name[0] != RDF}
    return found


def items(array: Property | None) -> list[Element]:
    """Returns the items of an rdf:Bag, rdf:Seq or rdf:Alt."""
    if not isinstance(array, Element):
        return []
    return [item for container in array.children for item in container.children if item.name == (RDF, "li")]


@dataclass(frozen=True)
class Edit:
    """Bytes `start` to `end` of a packet give way to `replacement`."""

    start: int
    end: int
    replacement: bytes = b""


def removal(found: Property) -> Edit:
    """Removes a property."""
    return Edit(found.start, found.end)


def apply_edits(content: bytes, edits: Iterable[Edit]) -> bytes:
    """Applies edits that do not overlap; of several at one place the first holds."""
    parts, place = [], 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        if edit.start >= place:
            parts += [content[place : edit.start], edit.replacement]
            place = edit.end
    return b"".join([*parts, content[place:]])


def normalize(packet: bytes) -> bytes:
    """Returns a packet in UTF-8, without zero bytes after its end. Raises XmpError."""
    if packet[:2] in (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<"):
        encoding = "utf-16" if packet[0] > 127 else "utf-16-le" if packet[:1] == b"<" else "utf-16-be"
        try:
            packet = packet.decode(encoding).encode()
        except ValueError as error:
            raise XmpError(str(error)) from error
    return packet.rstrip(b"\0")
