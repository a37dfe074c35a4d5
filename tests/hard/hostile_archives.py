"""Cases of hostile archives for `laa prepare`: bombs, sizes that lie, names that lead out, encrypted and damaged ones."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from random import Random

from .case import Case
from .mutated_photos import PREPARE
from .mutation import mutate
from .photos import all_seeds
from .pictures import face, pillow

BOMB_BYTES = 1 << 30
NAMES = (
    *(
        "../../../../x.jpg",
        "/etc/x.jpg",
        "a/../../../x.jpg",
        "\x1b[2Jx.jpg",
        "a\nerror: forged.jpg",
        "..jpg",
        "C:\\x.jpg",
        "x" * 200 + ".jpg",
    ),
    *("face.jpg", "face.jpg", "sub/face.png", ".hidden.jpg", "__MACOSX/._face.jpg", "\u202egpj.exe", "\x9bx.jpg", "-o.jpg"),
)


def archives(case: Case) -> None:
    """Makes a hostile archive, or two, and prepares faces of it."""
    for number in range(case.random.choice((1, 1, 2))):
        suffix, make = case.random.choice(ARCHIVES)
        content = make(case.random)
        if case.random.random() < 0.2:
            content = mutate(content, face_jpeg(), case.random)
        case.sandbox.write(f"archive{number}{suffix}", content)
        case.notes.append(make.__name__)
        case.files += 1
    source = case.random.choice(
        ("in", "in", "in/" + f"archive0{''.join(case.sandbox.source.glob('archive0*').__next__().suffixes)}")
    )
    case.run("prepare", source, "out", *PREPARE, outputs=[case.sandbox.out])


@cache
def face_jpeg() -> bytes:
    """A JPEG with a face."""
    return pillow(face(), "JPEG", quality=95)


def photo(random: Random) -> bytes:
    """A photo, at times a damaged one."""
    seed = random.choice(all_seeds())
    return random.choice((face_jpeg(), seed.content, mutate(seed.content, face_jpeg(), random)))


def hostile_names_zip(random: Random) -> bytes:
    """Members with names that lead out or that are hard to print, and a few links."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name in random.sample(NAMES, 5):
            info = zipfile.ZipInfo(name)
            if random.random() < 0.2:
                info.external_attr = 0o120777 << 16
            with warnings.catch_warnings(action="ignore"):  # of names that come twice
                archive.writestr(info, photo(random))
    return buffer.getvalue()


@cache
def bomb(side: int) -> bytes:
    """A zip file of a few MB with a photo of a GB, of zeros or of one colour."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("bomb.bmp", "w") as member,
    ):
        header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
        member.write(b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + header)
        for _ in range(BOMB_BYTES >> 24):
            member.write(bytes(1 << 24))
    return buffer.getvalue()


def zip_bomb(random: Random) -> bytes:
    """A bomb whose photo claims to be large, or small."""
    return bomb(random.choice((18000, 100)))


def lying_zip(random: Random) -> bytes:
    """A zip file whose directory lies about sizes, offsets, methods, or says that it is encrypted."""
    content = bytearray(hostile_names_zip(random))
    for signature, fields in (
        (b"PK\1\2", (8, 10, 16, 20, 24, 28, 42)),
        (b"PK\3\4", (6, 8, 14, 18, 22, 26)),
        (b"PK\5\6", (8, 10, 12, 16)),
    ):
        at = content.find(signature)
        while at >= 0:
            if random.random() < 0.4:
                struct.pack_into(
                    "<H", content, at + random.choice(fields), random.choice((0, 1, 9, 12, 14, 99, 0x7FFF, 0xFFFF))
                )
            at = content.find(signature, at + 4)
    return bytes(content)


def many_members_zip(random: Random) -> bytes:
    """Thousands of members that are no photos, or empty ones."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(2000):
            archive.writestr(f"{number}.{'txt' if number > 20 else 'jpg'}", b"")
        archive.writestr("face.jpg", face_jpeg())
    return buffer.getvalue()


def hostile_tar(random: Random) -> bytes:
    """Members of all types: links, devices, folders with photos' names, hostile names and headers."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=random.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))) as archive:
        for name in random.sample(NAMES, 5):
            info = tarfile.TarInfo(name)
            info.type = random.choice(
                (tarfile.REGTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE)
            )
            info.linkname = random.choice(("../../../canary", "/etc/passwd", name))
            content = photo(random) if info.isreg() else b""
            info.size = len(content)
            if archive.format == tarfile.PAX_FORMAT and random.random() < 0.5:
                info.pax_headers = {
                    random.choice(("size", "path", "GNU.sparse.size", "GNU.sparse.major", "comment")): random.choice(
                        ("-1", "99999999999", "x", "0")
                    )
                }
            archive.addfile(info, io.BytesIO(content))
        archive.addfile(sized("face.jpg", face_jpeg()), io.BytesIO(face_jpeg()))
    return buffer.getvalue()


def sized(name: str, content: bytes) -> tarfile.TarInfo:
    """A header."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info


def lying_tar(random: Random) -> bytes:
    """A tar file whose header claims another size, with a checksum that fits: gigabytes, or less than nothing."""
    content = bytearray(hostile_tar(random))
    size = random.choice(
        (b"77777777777\0", b"00000000000\0", b"\x80" + b"\0" * 3 + b"\xff" * 8, b"\xff" * 12, b"0000000001x\0")
    )
    content[124:136] = size
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    return bytes(content)


def sparse_tar(random: Random) -> bytes:
    """A tar file with an old GNU sparse member that claims a terabyte."""
    header = bytearray(sized("sparse.jpg", face_jpeg()).tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[386:410] = b"%011o\0%011o\0" % (0, len(face_jpeg()))
    header[483:495] = b"%011o\0" % (1 << 32)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header) + face_jpeg() + bytes(-len(face_jpeg()) % 512) + bytes(1024)


def gzipped(make: Callable[[Random], bytes]) -> Callable[[Random], bytes]:
    """The same, compressed."""

    def compressed(random: Random) -> bytes:
        content = gzip.compress(make(random), mtime=0)
        return content[: random.randrange(len(content))] if random.random() < 0.3 else content

    compressed.__name__ = f"gzipped {make.__name__}"
    return compressed


@cache
def bomb_of_tar() -> bytes:
    """A tar.gz file of a few 100 KB that unpacks to 256 MB."""
    member = sized("bomb.bmp", b"")
    member.size = 1 << 28
    return gzip.compress(member.tobuf() + bytes((1 << 28) + 1024), mtime=0)


def tar_bomb(random: Random) -> bytes:
    """A compressed tar file that unpacks to much."""
    return bomb_of_tar()


ARCHIVES: tuple[tuple[str, Callable[[Random], bytes]], ...] = (
    *(
        (".zip", make)
        for make in (hostile_names_zip, hostile_names_zip, lying_zip, lying_zip, lying_zip, many_members_zip, zip_bomb)
    ),
    *((".tar", make) for make in (hostile_tar, hostile_tar, lying_tar, lying_tar, sparse_tar)),
    *((".tar.gz", make) for make in (gzipped(hostile_tar), gzipped(lying_tar), tar_bomb)),
)
