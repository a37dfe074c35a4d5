"""The journal of `laa prepare`: what is in it comes back, what a killed run left half-written goes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from laa_cli.errors import LaaError
from laa_cli.prepare.crops import CroppedFace, PhotoFaces
from laa_cli.prepare.journal import Journal

# A record of a version before: these names and their order stay.
LINE = (
    b'{"photo": "a.png", "error": "", "faces": 3, "small": 1, "blurred": 0, "unknown": 0, "crops": [{"side_px": 175, '
    b'"sharpness": 741.9, "fingerprint": "%s", "split": "train", "person": "Ann", "suffix": "webp"}, {"side_px": 130, '
    b'"sharpness": 50.0, "fingerprint": "%s", "split": "val", "person": "", "suffix": "png"}], "start": 0, '
    b'"sizes": [5, 3], "end": 8}\n'
) % (b"00ff" * 16, b"ff00" * 16)
NEXT = LINE.replace(b'"start": 0', b'"start": 8').replace(b'"end": 8', b'"end": 16')
FIRST = CroppedFace(
    side_px=175, sharpness=741.9, fingerprint="00ff" * 16, split="train", person="Ann", suffix="webp", content=b"first"
)
SECOND = CroppedFace(side_px=130, sharpness=50.0, fingerprint="ff00" * 16, split="val", person="", suffix="png", content=b"2nd")
FACES = PhotoFaces(photo="a.png", faces=3, small=1, crops=[FIRST, SECOND])


def test_records_and_pictures_come_back(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, {"format": "webp"})) as journal:
        journal.add(FACES)
        journal.add(PhotoFaces(photo="b.png", error="broken"))
    assert (tmp_path / "journal.jsonl").read_bytes().startswith(LINE)
    assert (tmp_path / "pictures.bin").read_bytes() == b"first2nd"
    with closing(Journal(tmp_path, {"format": "webp"})) as journal:
        assert [record["photo"] for record in journal.records] == ["a.png", "b.png"]
        faces = journal.list_faces(journal.records[0])
        assert [journal.read_picture(face) for face in faces] == [b"first", b"2nd"]
        assert [face.crop.person for face in faces] == ["Ann", ""]
        assert journal.list_faces(journal.records[1]) == []


@pytest.mark.parametrize(
    "tail",
    [
        *(b"broken\n", LINE[:40], LINE.replace(b'"end": 8', b'"end": 99'), b"null\n", b"[7]\n", b"{}\n", LINE),
        *(b"[" * 100_000 + b"\n", NEXT.replace(b"741.9", b"NaN"), NEXT.replace(b'"faces": 3', b'"faces": "3"')),
        *(NEXT.replace(b"00ff", b"00fg"), NEXT.replace(b"webp", b"../x"), NEXT.replace(b'"val"', b'"test"')),
        *(NEXT.replace(b'"sizes": [5, 3]', b'"sizes": [5, -5, 8]'), NEXT.replace(b"[5, 3]", b"[8]")),
    ],
)
def test_what_lies_behind_the_last_whole_record_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    with closing(Journal(tmp_path, {})) as journal:
        journal.add(FACES)
    with (tmp_path / "journal.jsonl").open("ab") as lines, (tmp_path / "pictures.bin").open("ab") as pictures:
        lines.write(tail + LINE)
        pictures.write(b"half a picture")
    with closing(Journal(tmp_path, {})) as journal:
        assert len(journal.records) == 1
        assert (tmp_path / "journal.jsonl").read_bytes() == LINE
        assert (tmp_path / "pictures.bin").read_bytes() == b"first2nd"
        journal.add(PhotoFaces(photo="b.png", crops=[SECOND]))
        [face] = journal.list_faces(journal.records[1])
        assert journal.read_picture(face) == b"2nd"


def test_a_journal_of_other_settings_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path, {"format": "webp"}).close()
    with pytest.raises(LaaError, match="was begun with format webp, not png: repeat that command"):
        Journal(tmp_path, {"format": "png"})
    for damaged in (b"{", b"[1]", b"null", b"[" * 100_000, b"\xff\xfe"):
        (tmp_path / "settings.json").write_bytes(damaged)
        with pytest.raises(LaaError, match="cannot go on with"):
            Journal(tmp_path, {"format": "webp"})


def test_a_journal_is_locked_until_it_is_closed(tmp_path: Path) -> None:
    message = r"another run is working in .*: wait for it, or choose another folder"
    with closing(Journal(tmp_path, {})), pytest.raises(LaaError, match=message):
        Journal(tmp_path, {})
    Journal(tmp_path, {}).close()


def test_a_file_system_without_locks_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with closing(Journal(tmp_path, {})) as journal:
        journal.add(FACES)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {})
    journal.add(FACES)
    journal.pictures.close()
    journal.pictures = open("/dev/full", "wb")  # noqa: SIM115
    with pytest.raises(LaaError, match=r"cannot write to .*: No space left on device: make room"), closing(journal):
        journal.add(FACES)
    with closing(Journal(tmp_path, {})) as journal:
        assert [json.loads(LINE)] == journal.records
