"""Fits metadata to the format it is written in: carries over what that can hold, and names the rest."""

from __future__ import annotations

import re
from dataclasses import replace

from . import exif
from .color_signals import BT709, SRGB_CURVE, Signals
from .extended_xmp import split_extended
from .fields import Metadata
from .icc import build_profile, fitting_profile
from .ifd import ASCII, BYTE, UNDEFINED, Entry
from .marking import mark
from .photoshop import IPTC_DIGEST, read_resources
from .png_chunks import TEXT, Chunk, read_text, text_chunk

JPEG_SEGMENT_BYTES = 65533
COMMENT = "Comment"  # PNG's keyword
# Where EXIF holds what PNG's keywords say.
ARTIST, COPYRIGHT, DESCRIPTION, SOFTWARE, CHANGED, WINDOWS_TITLE = 315, 33432, 270, 305, 306, 40091
EXIF_OF_KEYWORD = {"Author": ARTIST, "Copyright": COPYRIGHT, "Description": DESCRIPTION, "Software": SOFTWARE}
MAX_NAMED = 5  # texts that are named one by one


def fit_metadata(metadata: Metadata, kind: str, channels: int) -> Metadata:
    """Fits metadata to a file of that format ("JPEG"...) and number of channels; `left_out` names what it cannot hold."""
    fitted = fit_color(metadata, kind, channels)
    if kind == "BMP":
        return fit_bmp(fitted)
    if kind != "PNG":
        fitted = text_to_exif(fitted, kind)
    elif fitted.comments:
        fitted = comments_to_text(fitted)
    if kind in ("WEBP", "AVIF"):
        fitted = fit_resolution(leave_iptc_out(fitted))
    fitted = replace(fitted, xmp=mark(fitted.xmp, fitted.mark)) if fitted.mark else fitted
    return fit_jpeg(fitted) if kind == "JPEG" else fitted


def fit_bmp(metadata: Metadata) -> Metadata:
    """Leaves out all but the resolution."""
    named = leave_iptc_out(name_texts(metadata, list(metadata.text), metadata.comments))
    labels = [name for name, value in (("EXIF", named.exif), ("XMP", named.xmp), ("mark", named.mark)) if value]
    return Metadata(dpi=named.dpi, left_out=named.without(*labels).left_out)


def fit_color(metadata: Metadata, kind: str, channels: int) -> Metadata:
    """Says the colours as the format can."""
    if kind == "PNG":
        return fit_profile(metadata, channels)
    color = metadata.color
    metadata = metadata.without(*["brightness of the mastering display"] * color.mastering)
    if kind == "AVIF" and color.cicp is not None and color.cicp[3] == 1:
        return replace(metadata, icc=None, color=Signals(tuple(chunk for chunk in color.chunks if chunk[0] == b"cICP")))
    icc, left_out = color.profile(metadata.icc, channels)
    if kind != "BMP":
        return fit_profile(metadata.without(*left_out, icc=icc, color=Signals()), channels)
    srgb = icc is None or icc == metadata.icc is None or icc[36:] == build_profile(BT709, SRGB_CURVE, channels)[36:]
    return metadata.without(*left_out, *["colour profile"] * (not srgb), icc=None, color=Signals())


def fit_profile(metadata: Metadata, channels: int) -> Metadata:
    """Removes a colour profile that is not for that number of channels."""
    if metadata.icc is None or fitting_profile(metadata.icc, channels):
        return metadata
    return metadata.without("colour profile", icc=None)


def leave_iptc_out(metadata: Metadata) -> Metadata:
    """Leaves IPTC out, with what belongs to it; its digest is not missed."""
    flags = any(resource.number != IPTC_DIGEST for resource in read_resources(metadata.photoshop or b""))
    labels = [*["IPTC"] * bool(metadata.iptc), *["Photoshop's copyright flag and URL"] * flags]
    return metadata.without(*labels, iptc=None, photoshop=None)


def fit_resolution(metadata: Metadata) -> Metadata:
    """Leaves the resolution out, which EXIF may still say."""
    said = metadata.dpi is None or (metadata.exif is not None and exif.resolution(metadata.exif) is not None)
    return metadata.without(*["resolution"] * (not said), dpi=None)


def fit_jpeg(metadata: Metadata) -> Metadata:
    """Leaves out what would not fit into JPEG's segments."""
    block = metadata.exif
    if block and len(block) + 6 > JPEG_SEGMENT_BYTES:
        shorter = exif.without_maker_note(block)
        fits = shorter is not None and len(shorter) + 6 <= JPEG_SEGMENT_BYTES
        metadata = metadata.without("maker note" if fits else "EXIF (over 64 KB)", exif=shorter if fits else None)
    if metadata.xmp and split_extended(metadata.xmp) is None:
        metadata = metadata.without("XMP (over 64 KB)", xmp=mark(None, metadata.mark) if metadata.mark else None)
    comments = tuple(comment for comment in metadata.comments if len(comment) <= JPEG_SEGMENT_BYTES)
    return metadata.without(*["comment (over 64 KB)"] * (len(comments) < len(metadata.comments)), comments=comments)


# Texts and comments


def comments_to_text(metadata: Metadata) -> Metadata:
    """Puts comments into PNG's texts."""
    texts = [text_chunk(COMMENT, comment_text(comment)) for comment in metadata.comments if comment_text(comment)]
    return replace(metadata, comments=(), text=(*metadata.text, *texts))


def comment_text(comment: bytes) -> str:
    """Decodes a comment: UTF-8 where it is that, else Latin-1; zero bytes end or separate it."""
    stripped = comment.strip(b"\0").replace(b"\0", b"\n")
    try:
        return stripped.decode()
    except ValueError:
        return stripped.decode("latin-1")


def text_to_exif(metadata: Metadata, kind: str) -> Metadata:
    """Puts PNG's texts, where EXIF has a place that is still free, into EXIF; comments into JPEG's or EXIF's."""
    taken = {*(exif.clean(metadata.exif) if metadata.exif else {})}
    main: dict[int, Entry] = {}
    left: list[Chunk] = []
    comments = list(metadata.comments)
    for chunk in metadata.text:
        if chunk[0] in TEXT and read_text(*chunk).keyword == COMMENT:
            comments.append(plain_text(chunk).encode())
        elif not add_entry(chunk, taken, main):
            left.append(chunk)
    details: dict[int, Entry] = {}
    if kind != "JPEG" and comments and not exif.has_user_comment(metadata.exif):
        details[exif.USER_COMMENT] = user_comment(comment_text(comments.pop(0)))
    kept = tuple(comments) if kind == "JPEG" else ()
    block = exif.with_defaults(metadata.exif, main, details) if main or details else metadata.exif
    named = name_texts(metadata, left, () if kind == "JPEG" else tuple(comments))
    return replace(named, exif=block, comments=kept, text=())


def add_entry(chunk: Chunk, taken: set[int], entries: dict[int, Entry]) -> bool:
    """Adds EXIF's entry for a text, and returns whether it has one that is free."""
    if chunk[0] == b"tIME":
        year, *others = int.from_bytes(chunk[1][:2]), *chunk[1][2:]
        date = "{:04}:{:02}:{:02} {:02}:{:02}:{:02}".format(year, *others)
        found = {CHANGED: ascii_entry(date)}
    else:
        keyword, text = read_text(*chunk).keyword, plain_text(chunk)
        title = text.encode("utf-16-le", "surrogatepass") + b"\0\0"
        found = {WINDOWS_TITLE: Entry(BYTE, len(title), title)} if keyword == "Title" else {}
        if keyword in EXIF_OF_KEYWORD:
            found = {EXIF_OF_KEYWORD[keyword]: ascii_entry(text)}
    if not found or (taken | entries.keys()) & found.keys():
        return False
    entries |= found
    return True


def plain_text(chunk: Chunk) -> str:
    """Decodes a text chunk."""
    text = read_text(*chunk)
    return text.content.decode(text.encoding, "replace")


def ascii_entry(text: str) -> Entry:
    """Builds an entry of text; letters beyond ASCII are in UTF-8, as most programs expect."""
    content = text.replace("\0", " ").encode("utf-8", "replace") + b"\0"
    return Entry(ASCII, len(content), content)


def user_comment(text: str) -> Entry:
    """Builds EXIF's comment: ASCII, or UTF-16 in the block's byte order."""
    content = b"ASCII\0\0\0" + text.encode() if text.isascii() else b"UNICODE\0" + text.encode("utf-16-le", "replace")
    return Entry(UNDEFINED, len(content), content)


def name_texts(metadata: Metadata, left: list[Chunk], comments: tuple[bytes, ...]) -> Metadata:
    """Leaves texts and comments out by their names."""
    names = [f'text "{printable(read_text(*chunk).keyword)}"' if chunk[0] in TEXT else "time of change" for chunk in left]
    shown = list(dict.fromkeys(names))
    labels = shown if len(shown) <= MAX_NAMED else [f"{len(names)} texts"]
    return metadata.without(*labels, *["comment"] * bool(comments), text=(), comments=())


def printable(keyword: str) -> str:
    """Returns a keyword without what is no letter, digit or sign."""
    return re.sub(r"[^\x20-\x7e\xa1-\xff]", "?", keyword)
