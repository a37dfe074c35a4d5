"""Photos in folders and archives: an archive gives what the plain folder gives, and does no harm. The detector is a fake."""

from __future__ import annotations

import csv
import errno
import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import MIDDLE, Killed, contents, dying_after
from PIL import Image

from laa_cli.console import Screen
from laa_cli.detect.face import Face
from laa_cli.errors import Exit, LaaError
from laa_cli.photo import max_file_bytes
from laa_cli.prepare.photo_source import PhotoSource, UnusableSource
from laa_cli.prepare.run import run
from laa_cli.prepare.settings import PrepareRequest
from laa_cli.prepare.sources import find_photos
from laa_cli.prepare.unpack import unpack
from laa_cli.utils.atomic import write_atomically

TARS = {".tar": "", ".tar.gz": "gz", ".tgz": "gz", ".tar.bz2": "bz2", ".TBZ2": "bz2", ".tar.xz": "xz", ".txz": "xz"}
KINDS = [*TARS, ".zip"]
SORTS = [".tar", ".tgz", ".TBZ2", ".tar.xz", ".zip"]  # one of each packing
Members = list[tuple[str, bytes]]


def photo(seed: int) -> bytes:
    """No two alike, and sharp enough."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (30, 30, 3), np.uint8)).resize((180, 180), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    coarse.save(file, "PNG", compress_level=1)
    return file.getvalue()


@pytest.fixture(scope="module")
def members() -> Members:
    names = ["b/3.png", "b/1.png", "../a.png", "/c.png", "b/2.png", "b/é.png"]
    return [(name, photo(seed)) for seed, name in enumerate(names)] + [("b/broken.jpg", b"broken"), ("b/notes.txt", b"no")]


def archive(path: Path, members: Members) -> Path:
    """An archive of the kind that its suffix says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, content in members:
                file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return path
    packing = next(packing for suffix, packing in TARS.items() if path.name.endswith(suffix))
    with tarfile.open(path, f"w:{packing}") as tar:  # type: ignore[call-overload]
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


def prepare(inputs: list[Path], out: Path, detect: Callable[..., list[Face]] = lambda rgb: [MIDDLE], **values: Any) -> Exit:
    settings = PrepareRequest(**{"validation_share": 0.4, "min_sharpness": 0, "shard_size": 2} | values)
    return run(inputs, out, settings, None, lambda: detect, Screen())  # type: ignore[arg-type, return-value]


def test_photos_are_found_in_files_folders_and_tar_files(tmp_path: Path) -> None:
    deep = tmp_path / "in" / "b"
    deep.mkdir(parents=True)
    for name in ("z.JPG", "a.webp", ".hidden.png", "notes.txt"):
        (deep / name).write_bytes(b"x")
    with tarfile.open(tmp_path / "in" / "a.tar", "w") as tar:
        for name, content in (("two.png", b"22"), ("folder/one.jpg", b"1"), ("readme.md", b"no")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    out = tmp_path / "in" / "out"
    out.mkdir()
    (out / "contact-sheet.png").write_bytes(b"x")
    found = find_photos([tmp_path / "in", deep / "z.JPG"], out)
    names = [source.name.removeprefix(f"{(tmp_path / 'in').as_posix()}/") for source in found]
    assert names == ["a.tar:two.png", "a.tar:folder/one.jpg", "b/a.webp", "b/z.JPG"]
    assert [source.read(100) for source in found] == [b"22", b"1", b"x", b"x"]
    (tmp_path / "in" / "c.tar").write_bytes(b"no tar file")
    found = find_photos([tmp_path / "in"], out)
    assert [source.name for source in found if isinstance(source, UnusableSource)] == [f"{tmp_path.as_posix()}/in/c.tar"]
    with pytest.raises(LaaError, match=r"cannot read .*c\.tar: a damaged header \(.*\): give a whole tar or zip file"):
        find_photos([tmp_path / "in" / "c.tar"], out)


@pytest.mark.parametrize("kind", SORTS)
def test_an_archive_gives_what_its_photos_give(tmp_path: Path, members: Members, kind: str) -> None:
    places = [tmp_path / "in" / str(number) / Path(name).name for number, (name, _) in enumerate(members[:-1])]
    for place, (_, content) in zip(places, members, strict=False):
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
    assert prepare(places, tmp_path / "plain") == Exit.PARTLY
    (tmp_path / "walked").mkdir()
    packed = archive(tmp_path / "walked" / f"photos{kind}", members)
    before = set(tmp_path.rglob("*"))
    assert prepare([tmp_path / "walked"], tmp_path / "out") == Exit.PARTLY
    assert {path for path in set(tmp_path.rglob("*")) - before if tmp_path / "out" not in path.parents} == {tmp_path / "out"}
    plain, out = contents(tmp_path / "plain"), contents(tmp_path / "out")
    rows, expected = (list(csv.reader(files.pop("manifest.csv").decode().splitlines())) for files in (out, plain))
    assert out == plain
    assert len(rows) == len(expected) == 7
    names = {str(place): f"{packed.as_posix()}:{name}" for place, (name, _) in zip(places, members, strict=False)}
    assert rows == [[names.get(value, value) for value in row] for row in expected]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_are_found_in_order_once_and_read_by_many_threads(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(0)
    made = [(f"./{number}.jpg", random.bytes(1000)) for number in range(20)]
    hidden = [("__MACOSX/._1.jpg", b"x"), (".cache/1.jpg", b"x"), ("folder.png/", b"")]
    path = archive(tmp_path / f"a{kind}", [*made, *hidden, ("./3.jpg", b"newer")])
    found = find_photos([tmp_path, path], tmp_path / "out")
    assert [source.name for source in found] == [f"{path.as_posix()}:{name}" for name, _ in made]
    expected = [b"newer" if name == "./3.jpg" else content for name, content in made]
    with ThreadPoolExecutor(8) as pool:
        for sources in (found, unpack(found, tmp_path / "unpacked", print)):
            assert list(pool.map(lambda source: source.read(1000), sources * 4)) == expected * 4
    with pytest.raises(LaaError, match=r"0\.jpg is too large: over 999 bytes"):
        found[0].read(999)


@pytest.mark.parametrize("kind", SORTS)
@pytest.mark.parametrize("left", [0, 0.3, 0.9, -4])
def test_a_truncated_archive_is_named_before_anything_is_written(
    tmp_path: Path, members: Members, kind: str, left: float
) -> None:
    path = archive(tmp_path / f"a{kind}", members)
    whole = path.read_bytes()
    if kind == ".tar":  # its end is zeros, of which some may be missing
        whole = whole[: whole.rindex(b"broken") + 3]
    path.write_bytes(whole[: int(left * len(whole)) if left >= 0 else int(left)])
    with pytest.raises(LaaError, match=rf"cannot read .*a{kind}: .*: give a whole tar or zip file"):
        prepare([tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", SORTS)
def test_no_damage_to_an_archive_gives_a_traceback(tmp_path: Path, kind: str) -> None:
    path = archive(tmp_path / f"a{kind}", [("1.png", photo(1)[:3000]), ("2.png", b"x" * 3000)])
    whole, refused = path.read_bytes(), 0
    random = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for place in random.integers(0, len(content), 3):
            content[place] = random.integers(256)
        path.write_bytes(content)
        try:
            for source in find_photos([path], tmp_path):
                source.read(10**6)
        except LaaError as error:
            assert f"a{kind}" in str(error)
            refused += 1
    assert refused > (0 if kind == ".tar" else 20)


def test_a_damaged_header_is_not_the_end_of_a_tar_file(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", [("1.png", b"1"), ("2.png", b"2"), ("3.png", b"3")])
    content = bytearray(path.read_bytes())
    content[1024] ^= 1
    path.write_bytes(content)
    with pytest.raises(LaaError, match=r"a\.tar: a damaged header"):
        find_photos([path], tmp_path)


@pytest.mark.parametrize(("type_", "size"), [(tarfile.GNUTYPE_LONGNAME, 1 << 33), (tarfile.XHDTYPE, -512), (b"0", -1024)])
def test_sizes_that_make_no_sense_are_refused(tmp_path: Path, type_: bytes, size: int) -> None:
    header = tarfile.TarInfo("1.png")
    header.type, header.size = type_, size
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(LaaError, match=r"a\.tar: a damaged header \(-?\d+ bytes\)"):
        find_photos([tmp_path / "a.tar"], tmp_path)


def test_what_a_file_is_counts_not_what_it_is_called(tmp_path: Path) -> None:
    archive(tmp_path / "a.tar", [("1.png", b"1")]).rename(tmp_path / "a.tgz")
    archive(tmp_path / "b.tar.xz", [("1.png", b"2")]).rename(tmp_path / "b.tar")
    assert [source.read(9) for source in find_photos([tmp_path], tmp_path / "out")] == [b"1", b"2"]


@pytest.mark.parametrize("kind", [".tgz", ".zip"])
@pytest.mark.parametrize("calls", [0, 3, 5, 6])
def test_a_killed_run_goes_on(tmp_path: Path, members: Members, kind: str, calls: int, monkeypatch: Any) -> None:
    path, out = archive(tmp_path / f"a{kind}", members), tmp_path / "out"
    prepare([path], tmp_path / "whole")

    def killed(*_: Any) -> bytes:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("laa_cli.prepare.writer.draw_contact_sheet", killed)
        with pytest.raises(Killed):
            prepare([path], out, dying_after(calls))
    copies = out / "unfinished" / "unpacked"
    assert len(contents(copies)) == (kind == ".tgz" and calls < 6)  # none is left once all photos were read
    with monkeypatch.context() as patch:
        patch.setattr("laa_cli.prepare.unpack.write_atomically", killed)  # the copy is used again
        assert prepare([path], out) == Exit.PARTLY
    assert contents(out) == contents(tmp_path / "whole")


def test_a_run_killed_while_it_unpacks_goes_on(tmp_path: Path, members: Members, monkeypatch: Any) -> None:
    first, path, out = archive(tmp_path / "0.txz", members[:2]), archive(tmp_path / "a.tgz", members), tmp_path / "out"
    prepare([first, path], tmp_path / "whole")

    def dying(target: Path, *args: Any, **values: Any) -> None:
        if list(target.parent.glob("*.tar")):
            (target.parent / ".laa-x.part").write_bytes(b"half")
            raise Killed
        write_atomically(target, *args, **values)

    with monkeypatch.context() as patch:
        patch.setattr("laa_cli.prepare.unpack.write_atomically", dying)
        with pytest.raises(Killed):
            prepare([first, path], out)
    assert {name[-4:] for name in contents(out / "unfinished" / "unpacked")} == {".tar", "part"}

    def looking(rgb: Any) -> list[Face]:
        assert {name[-4:] for name in contents(out / "unfinished" / "unpacked")} == {".tar"}
        return [MIDDLE]

    assert prepare([first, path], out, looking) == Exit.PARTLY
    assert contents(out) == contents(tmp_path / "whole")


def test_an_archive_that_changed_is_unpacked_anew(tmp_path: Path) -> None:
    path, folder = archive(tmp_path / "a.tgz", [("1.png", b"old")]), tmp_path / "unpacked"
    for content in (b"old", b"new"):
        archive(path, [("1.png", content)])
        os.utime(path, ns=(content[0], content[0]))
        [source] = unpack(find_photos([path], folder), folder, print)
        assert source.read(9) == content
    assert [path.name for path in folder.iterdir() if path.suffix != ".tar"] == []


@pytest.mark.parametrize("kind", SORTS[1:-1])
def test_an_archive_damaged_since_it_was_found_is_named(tmp_path: Path, kind: str) -> None:
    path = archive(tmp_path / f"a{kind}", [("1.png", np.random.default_rng(0).bytes(300_000))])
    found = find_photos([path], tmp_path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(LaaError, match=rf"cannot read .*a{kind}:1\.png: "):
        found[0].read(10**6)
    with pytest.raises(LaaError, match=rf"cannot read .*a{kind}: .*give a whole tar"):
        unpack(found, tmp_path / "unpacked", print)
    path.unlink()
    with pytest.raises(LaaError, match=rf"cannot read .*a{kind}: No such file"):
        unpack(found, tmp_path / "unpacked", print)
    assert contents(tmp_path / "unpacked") == {}


def test_a_full_disk_is_said_and_the_same_command_goes_on(tmp_path: Path, members: Members, monkeypatch: Any) -> None:
    path, out = archive(tmp_path / "a.tgz", members), tmp_path / "out"

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
        with pytest.raises(LaaError, match=r"cannot unpack to .*unpacked: it takes \d+ MB, and 0 MB are free: make room"):
            prepare([path], out)
    with monkeypatch.context() as patch:
        patch.setattr("laa_cli.prepare.unpack.write_atomically", full_write(full))
        with pytest.raises(LaaError, match=r"cannot write .*: No space left on device: make room"):
            prepare([path], out)
    assert contents(out / "unfinished" / "unpacked") == {}
    assert prepare([path], out) == Exit.PARTLY


def full_write(full: Callable[..., None]) -> Callable[..., None]:
    """`write_atomically` onto a disk that is full."""

    def write(*args: Any, **values: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", full)
            write_atomically(*args, **values)

    return write


def zip_of(path: Path, name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytearray:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(zipfile.ZipInfo(name), content, method)
    return bytearray(path.read_bytes())


def only(path: Path) -> PhotoSource:
    [source] = find_photos([path], path.parent / "out")
    return source


def test_an_encrypted_member_is_reported_and_the_others_are_used(tmp_path: Path, members: Members, capsys: Any) -> None:
    path = archive(tmp_path / "a.zip", members[:3])
    content = bytearray(path.read_bytes())
    local, central = content.index(b"PK\3\4"), content.index(b"PK\1\2")
    content[local + 6] |= 1
    content[central + 8] |= 1
    path.write_bytes(content)
    assert prepare([path], tmp_path / "out") == Exit.PARTLY
    assert "a.zip:b/3.png: it is encrypted" in capsys.readouterr().err.replace("\n", "")
    assert (tmp_path / "out" / "manifest.csv").read_text().count("a.zip:") == 2


@pytest.mark.parametrize("size", [10, 5000, 2**31])
def test_a_zip_file_that_lies_about_a_size_is_not_trusted(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.zip"
    content = zip_of(path, "1.png", bytes(100_000))
    for place in (22, content.index(b"PK\1\2") + 24):
        content[place : place + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)
    reason = "1\\.png: Bad CRC-32" if size < 100_000 else "1\\.png is too large: over 1000000 bytes"
    with pytest.raises(LaaError, match=reason):
        only(path).read(10**6)


@pytest.mark.parametrize("kind", [".tgz", ".zip"])
def test_a_member_that_unpacks_to_too_much_is_no_photo(tmp_path: Path, members: Members, kind: str, capsys: Any) -> None:
    path = archive(tmp_path / f"a{kind}", [*members[:2], ("bomb.png", bytes(66 << 20))])
    assert path.stat().st_size < 3 << 20
    assert prepare([path], tmp_path / "out", max_pixels=40_000) == Exit.PARTLY
    assert f"a{kind}:bomb.png is too large: over {max_file_bytes(40_000)} bytes" in capsys.readouterr().err


def test_a_method_without_a_limit_is_refused(tmp_path: Path) -> None:
    zip_of(tmp_path / "a.zip", "1.png", bytes(50 << 20), zipfile.ZIP_BZIP2)
    with pytest.raises(LaaError, match=r"a\.zip:1\.png: it is not compressed by deflate"):
        only(tmp_path / "a.zip").read(1000)


def test_zip_files_are_closed_but_a_few(tmp_path: Path) -> None:
    for number in range(30):
        zip_of(tmp_path / f"{number:02}.zip", "1.png", b"%d" % number)
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    found = find_photos([tmp_path], tmp_path / "out")
    assert [source.read(9) for source in found] == [b"%d" % number for number in range(30)]
    if before:
        assert len(os.listdir("/proc/self/fd")) - before <= 8
