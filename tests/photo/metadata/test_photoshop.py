"""Photoshop's resources: what belongs to IPTC is kept as it is."""

from __future__ import annotations

import hashlib
import struct

from hypothesis import given
from hypothesis import strategies as st
from metadata_samples import DIGEST, IPTC_BLOCK, photoshop_block, resource

from laa_cli.photo.metadata.photoshop import build_resource, clean_resources, with_digest


def test_what_is_kept_and_what_is_named() -> None:
    cleaned = clean_resources(photoshop_block() + resource(2000, b"path") + resource(0x0406, b"quality"))
    assert cleaned.iptc == IPTC_BLOCK
    digest = resource(DIGEST, hashlib.md5(IPTC_BLOCK, usedforsecurity=False).digest())
    assert cleaned.others == resource(0x040A, b"\1") + resource(0x040B, b"https://example.org") + digest
    assert cleaned.left_out == ("thumbnail", "clipping paths", "Photoshop settings")


def test_names_and_odd_sizes() -> None:
    named = b"8BIM" + struct.pack(">H", 0x040B) + b"\3url" + struct.pack(">I", 3) + b"a:b"
    cleaned = clean_resources(named + b"\0" + resource(0x0404, IPTC_BLOCK))
    assert (cleaned.others, cleaned.iptc, cleaned.left_out) == (named + b"\0", IPTC_BLOCK, ())
    assert clean_resources(named).others == named + b"\0"  # some writers leave the last padding out


def test_damage_is_named_and_the_rest_kept() -> None:
    block = photoshop_block()
    cleaned = clean_resources(block[:-10])
    assert cleaned.iptc == IPTC_BLOCK
    assert cleaned.left_out == ("thumbnail", "damaged Photoshop resources")
    assert clean_resources(b"nonsense").left_out == ("damaged Photoshop resources",)


def test_a_digest_holds_of_what_is_written_if_it_held_before() -> None:
    digests = [resource(DIGEST, hashlib.md5(text, usedforsecurity=False).digest()) for text in (b"before", b"after")]
    assert with_digest(digests[0], b"before", b"after") == digests[1]
    assert with_digest(digests[0], b"before", b"") == b""
    assert with_digest(digests[0], b"other", b"after") == digests[0]  # it says that another program changed IPTC


@given(st.binary(max_size=300), st.integers(0, 200))
def test_any_bytes(noise: bytes, cut: int) -> None:
    cleaned = clean_resources(photoshop_block()[:cut] + noise)
    again = clean_resources(build_resource(0x0404, cleaned.iptc) + cleaned.others)
    assert (again.iptc, again.others, again.left_out) == (cleaned.iptc, cleaned.others, ())
