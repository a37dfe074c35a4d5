"""Hostile archives: what cannot be a photo is named, the others are done, and neither memory nor time runs away."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import stat
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes import MIDDLE, encode_image, photo_of_noise

from laa_cli.console import Screen
from laa_cli.errors import Exit, LaaError
from laa_cli.prepare import archives, face_pipeline
from laa_cli.prepare.photo_source import PhotoSource
from laa_cli.prepare.run import run
from laa_cli.prepare.settings import PrepareRequest
from laa_cli.prepare.sources import find_photos
from laa_cli.utils import tar as tars

GOOD = encode_image(photo_of_noise(0), "PNG")


def prepare(inputs: list[Path], out: Path, **values: Any) -> Exit:
    settings = PrepareRequest(**{"validation_share": 0.4, "min_sharpness": 0} | values)
    return run(inputs, out, settings, None, lambda: lambda rgb: [MIDDLE], Screen())  # type: ignore[arg-type, return-value]


def errors_beside_a_good_photo(bad: Path, capsys: Any) -> list[str]:
    """The errors of a run over the archive and a photo, which is done."""
    good = bad.parent / "good.png"
    good.write_bytes(encode_image(photo_of_noise(1), "PNG"))
    out = bad.parent / "out"
    assert prepare([bad, good], out) == Exit.PARTLY
    assert "good.png" in (out / "manifest.csv").read_text()
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Checks the peak of what Python allocates."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def zip_of(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def tar_of(path: Path, *members: tuple[tarfile.TarInfo | str, bytes], **options: Any) -> Path:
    with tarfile.open(path, **{"mode": "w"} | options) as file:
        for header, content in members:
            entry = tarfile.TarInfo(header) if isinstance(header, str) else header
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, target
    return header


def test_a_damaged_archive_is_one_failure_and_the_others_are_done(tmp_path: Path, capsys: Any) -> None:
    whole = zip_of(tmp_path / "a.zip", ("1.png", GOOD)).read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:-30])
    lines = errors_beside_a_good_photo(tmp_path / "a.zip", capsys)
    assert lines == [f"error: cannot read {tmp_path}/a.zip: File is not a zip file: give a whole tar or zip file"]


def test_a_member_that_unpacks_to_a_thousand_times_its_size(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """In memory there is never more of it than the limit, once."""
    monkeypatch.setattr(archives, "ALWAYS_UNPACKED_BYTES", 1 << 20)
    path = zip_of(tmp_path / "a.zip", ("bomb.png", bytes(200 << 20)))
    packed = path.stat().st_size
    limit = int(1.5 * archives.MAX_RATIO * packed)
    with (
        memory_below(limit),
        pytest.raises(LaaError, match=r"a\.zip:bomb\.png: it unpacks to over 100 times its size, as no photo of a face does"),
    ):
        find_photos([path], tmp_path)[0].read(1 << 40)
    content = bytearray(path.read_bytes())
    for place in (22, content.index(b"PK\1\2") + 24):  # it says that it is smaller
        content[place : place + 4] = (archives.MAX_RATIO * packed - 50_000).to_bytes(4, "little")
    path.write_bytes(content)
    with memory_below(limit), pytest.raises(LaaError, match="Bad CRC-32"):
        find_photos([path], tmp_path)[0].read(1 << 40)
    [line] = errors_beside_a_good_photo(path, capsys)
    assert "bomb.png" in line


def test_overlapping_members_are_a_bomb(tmp_path: Path, capsys: Any) -> None:
    path = zip_of(tmp_path / "a.zip", *((f"{number}.png", GOOD) for number in range(3)))
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\1\2")
    second = content.index(b"PK\1\2", first + 1)
    size = int.from_bytes(content[second + 20 : second + 24], "little")
    content[second + 20 : second + 24] = (size + 1000).to_bytes(4, "little")
    path.write_bytes(content)
    [line] = errors_beside_a_good_photo(path, capsys)
    assert line == f"error: cannot read {path}: its members overlap: give a whole tar or zip file"


def test_an_archive_in_an_archive_is_named(tmp_path: Path, capsys: Any) -> None:
    inner = zip_of(tmp_path / "inner.zip", ("1.png", GOOD)).read_bytes()
    (tmp_path / "inner.zip").unlink()
    for path in (zip_of(tmp_path / "a.zip", ("r/inner.zip", inner)), tar_of(tmp_path / "a.tar", ("r/inner.tgz", inner))):
        [line] = errors_beside_a_good_photo(path, capsys)
        assert f"cannot read {path}:r/inner." in line
        assert line.endswith("it is an archive in an archive: unpack it, and give it by itself")
        (tmp_path / "out").rename(tmp_path / f"out-{path.suffix[1:]}")


def test_links_to_what_is_in_the_archive_lose_nothing_and_others_are_named(tmp_path: Path, capsys: Any) -> None:
    inside = [link("b/same.png", "../a/1.png"), link("b/hard.png", "a/1.png", tarfile.LNKTYPE)]
    outside = [link("b/passwd.png", "/etc/passwd"), link("b/up.png", "../../1.png"), link("b/h.png", "x.png", tarfile.LNKTYPE)]
    path = tar_of(tmp_path / "a.tar", *((header, b"") for header in (*inside, *outside)), ("a/1.png", GOOD))
    lines = errors_beside_a_good_photo(path, capsys)
    assert len(lines) == 3
    for line, header in zip(lines, outside, strict=True):
        assert line == f"error: cannot read {path}:{header.name}: {archives.LINKED}"


def test_links_in_zip_files(tmp_path: Path, capsys: Any) -> None:
    def zipped_link(name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        return info

    path = zip_of(
        tmp_path / "a.zip",
        ("a/1.png", GOOD),
        (zipped_link("b/in.png"), b"../a/1.png"),
        (zipped_link("b/x.png"), b"/etc/passwd"),
    )
    [line] = errors_beside_a_good_photo(path, capsys)
    assert line == f"error: cannot read {path}:b/x.png: {archives.LINKED}"


def test_sparse_members_and_devices_are_named(tmp_path: Path, capsys: Any) -> None:
    sparse = tarfile.TarInfo("sparse.png")
    sparse.type = tarfile.GNUTYPE_SPARSE
    device = tarfile.TarInfo("device.png")
    device.type = tarfile.CHRTYPE
    path = tar_of(tmp_path / "a.tar", (sparse, b""), (device, b""), format=tarfile.GNU_FORMAT)
    lines = errors_beside_a_good_photo(path, capsys)
    assert lines == [f"error: cannot read {path}:{name}.png: {archives.NO_FILE}" for name in ("sparse", "device")]


def header_of(name: str, kind: bytes, size: int) -> bytes:
    header = tarfile.TarInfo(name)
    header.type, header.size = kind, size
    return header.tobuf(tarfile.GNU_FORMAT)


def pax_chain(count: int, size: int) -> bytes:
    """Extended headers, each of which only announces the next."""
    record = b"%d k=" % size
    return (header_of("x", tarfile.XHDTYPE, size) + record + b"v" * (size - len(record) - 1) + b"\n") * count


def gnu_sparse_map(entries: int) -> bytes:
    """A sparse member of GNU's format 1.0, whose map is in its content."""
    records = b"".join(
        b"%d %s\n" % (len(text) + 4, text) for text in (b"GNU.sparse.major=1", b"GNU.sparse.minor=0", b"GNU.sparse.name=s.png")
    )
    content = b"%d\n" % (2 * entries) + b"0\n" * (2 * entries)
    padded = [text + bytes(-len(text) % 512) for text in (records, content)]
    return header_of("x", tarfile.XHDTYPE, len(records)) + padded[0] + header_of("s.png", b"0", len(content)) + padded[1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pax_chain(40, 512 * 128), "a damaged header"),
        (gnu_sparse_map(10**6), "a damaged header"),
        (header_of("l", tarfile.GNUTYPE_LONGNAME, 64 << 20) + bytes(64 << 20), "a damaged header"),
        (
            b"".join(header_of("g", tarfile.XGLTYPE, 512) + (b"512 k%03d=" % n).ljust(511, b"v") + b"\n" for n in range(99)),
            "global",
        ),
    ],
    ids=["pax", "sparse map", "long name", "global headers"],
)
def test_headers_that_take_memory_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.tgz"
    path.write_bytes(zlib.compress(content + header_of("1.png", b"0", 0) + bytes(1024), wbits=31))
    message = rf"cannot read .*a\.tgz: .*{reason}.*: give a whole tar or zip file"
    with memory_below(16 << 20), pytest.raises(LaaError, match=message):
        find_photos([path], tmp_path)


@pytest.mark.parametrize("ending", [".tgz", ".tar.bz2", ".tar.xz"])
@pytest.mark.parametrize("place", ["a member", "behind the end"])
def test_a_compressed_tar_file_that_unpacks_to_too_much(tmp_path: Path, ending: str, place: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(tars, "ALWAYS_UNPACKED_BYTES", 1 << 20)
    pack = {".tgz": lambda raw: zlib.compress(raw, wbits=31), ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress}
    content = bytes(1024) + bytes(64 << 20) if place != "a member" else header_of("1.png", b"0", 64 << 20) + bytes(64 << 20)
    path = tmp_path / f"a{ending}"
    path.write_bytes(pack[ending](content))
    with pytest.raises(LaaError, match=r"a\..*: it unpacks to over \d+ MB, as no archive of photos does: give a whole tar"):
        find_photos([path], tmp_path)


def test_an_xz_file_that_asks_for_a_dictionary_of_a_gigabyte(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 64 << 20}]
    content = lzma.compress(bytes(10240), lzma.FORMAT_XZ, filters=filters)
    assert lzma.decompress(content) == bytes(10240)
    flags = content.index(b"\x21\x01", 12)
    header = bytearray(content[12 : 12 + (content[12] + 1) * 4])
    header[flags - 12 + 2] = 37  # 1.5 GiB
    header[-4:] = struct.pack("<I", zlib.crc32(bytes(header[:-4])))
    (tmp_path / "a.txz").write_bytes(content[:12] + header + content[12 + len(header) :])
    with pytest.raises(LaaError, match=r"a\.txz: Memory usage limit exceeded"):
        find_photos([tmp_path / "a.txz"], tmp_path)


def test_too_many_members(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    for path in (
        zip_of(tmp_path / "a.zip", *((f"{number}.png", b"") for number in range(4))),
        tar_of(tmp_path / "a.tar", *((f"{number}.png", b"") for number in range(4))),
    ):
        with pytest.raises(LaaError, match="it has more than 3 members: part it"):
            find_photos([path], tmp_path)


def test_photos_under_way_are_bounded_by_memory(tmp_path: Path, monkeypatch: Any) -> None:
    """What a photo takes is known before it is read, wherever it is; the order stays."""
    path = zip_of(tmp_path / "a.zip", *((f"{n}.png", encode_image(photo_of_noise(n), "PNG")) for n in range(6)))
    plain = tmp_path / "6.png"
    photo_of_noise(6).save(plain)
    size = face_pipeline.BYTES_PER_PIXEL * 180 * 180
    sources = find_photos([path, plain], tmp_path / "out")
    assert [face_pipeline.estimate_bytes(source) for source in sources] == [size] * 7
    under_way: list[int] = []
    loaded = face_pipeline.load_photo

    def load(*args: Any) -> Any:
        under_way.append(1)
        return loaded(*args)

    most: list[int] = []

    def detect(rgb: Any) -> list[Any]:
        most.append(len(under_way) - len(most))
        return [MIDDLE]

    monkeypatch.setattr(face_pipeline, "load_photo", load)
    for photos, limit in ((1, 1), (3, 3)):
        monkeypatch.setattr(face_pipeline, "MEMORY_BYTES", photos * size)
        under_way.clear()
        most.clear()
        found = list(face_pipeline.find_faces(sources, PrepareRequest(), None, lambda: detect))  # type: ignore[arg-type, return-value]
        assert [faces.photo for faces in found] == [source.name for source in sources]
        assert max(most) <= limit
    (tmp_path / "odd.png").write_bytes(b"odd")
    assert face_pipeline.estimate_bytes(find_photos([tmp_path / "odd.png"], tmp_path)[0]) == 3 * size


def test_a_pipe_is_not_emptied_by_looking_at_it(tmp_path: Path) -> None:
    pipe = PhotoSource("pipe.png", tmp_path / "pipe.png")
    os.mkfifo(pipe.path)
    handle = os.open(pipe.path, os.O_RDWR)
    os.write(handle, b"1234")
    assert face_pipeline.estimate_bytes(pipe) == 0
    assert os.read(handle, 9) == b"1234"
    with pytest.raises(LaaError, match=r"cannot read pipe\.png: .*seek"):
        pipe.read(100)
    os.close(handle)
