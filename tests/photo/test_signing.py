"""Content credentials: what c2pa-python's own reader says of signed files, and certificates that are no use."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import (
    decode_photo,
    encode_image,
    fake_upscaler,
    laa,
    no_stdin,
    noise_pixels,
    one_line,
    ramp_pixels,
    records,
    refuse_to_load,
    run_batch,
    write_photo_of_noise,
)
from PIL import Image

from laa_cli.batch.manifest import Recipe
from laa_cli.console import Screen
from laa_cli.errors import Exit, LaaError, UsageError
from laa_cli.options import ModelOptions, Options
from laa_cli.photo import Photo, encode_photo, read_photo
from laa_cli.photo.metadata.credentials import CREDENTIALS
from laa_cli.photo.signing import Claim, Region, Signer, check_signable, load_signer
from laa_cli.process import PhotoRequest, process
from laa_cli.single.plan import UpscaleRequest
from laa_cli.single.run import run
from laa_cli.upscale import Upscaler

c2pa = pytest.importorskip("c2pa")
from certificates import certify, other_kinds  # noqa: E402  (needs cryptography, which comes with c2pa-python)

SUFFIXES = (".jpg", ".png", ".webp", ".tif", ".avif")
MIME = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".tif": "image/tiff", ".avif": "image/avif"}
CLAIM = Claim("new.jpg", "old.jpg", "laa 1.2.3 (laa-photo 0123abcd)", 4, "plain", (Region("face 3", 8, 9, 20, 21),))
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certify().write(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="module")
def signer(files: tuple[Path, Path]) -> Signer:
    return Signer.load(*files)


def verify(content: bytes, suffix: str) -> dict[str, Any]:
    """The active manifest of a file that holds; asserts that it does. The authority is the test's own: nobody trusts it."""
    context = c2pa.Context.from_dict({"verify": {"verify_trust": False}})
    with context, c2pa.Reader(MIME[suffix], io.BytesIO(content), context=context) as reader:
        assert reader.get_validation_state() == "Valid"
        return {**reader.get_active_manifest(), "all": json.loads(reader.json())["manifests"]}


def actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return next(each["data"]["actions"] for each in manifest["assertions"] if each["label"].startswith("c2pa.actions"))


def original() -> bytes:
    return encode_image(Image.fromarray(ramp_pixels()), "JPEG")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_signed_file_of_each_format_holds_and_shows_the_same_pixels(signer: Signer, suffix: str) -> None:
    content = encode_photo(Photo(noise_pixels(3, np.uint8, 40, 50)), suffix)
    signed = signer.sign(content, suffix, original(), CLAIM)
    manifest = verify(signed, suffix)
    assert manifest["title"] == "new.jpg"
    assert manifest["claim_generator_info"][0]["name"] == "laa"
    assert [(each["title"], each["relationship"]) for each in manifest["ingredients"]] == [("old.jpg", "parentOf")]
    np.testing.assert_array_equal(decode_photo(signed).pixels, decode_photo(content).pixels)
    assert decode_photo(signed).metadata.left_out == (CREDENTIALS,)
    assert decode_photo(content).metadata.left_out == ()


def test_a_changed_file_does_not_hold(signer: Signer) -> None:
    content = encode_photo(Photo(noise_pixels(3, np.uint8, 40, 50)), ".tif")
    signed = bytearray(signer.sign(content, ".tif", original(), CLAIM))
    signed[1000] ^= 1  # in the pixels, which come first
    with c2pa.Reader(MIME[".tif"], io.BytesIO(bytes(signed))) as reader:
        codes = [status["code"] for status in json.loads(reader.json())["validation_status"]]
    assert "assertion.dataHash.mismatch" in codes


def test_the_actions_say_what_was_done_and_where(signer: Signer) -> None:
    content = encode_photo(Photo(noise_pixels()), ".png")
    opened, resized, edited = actions(verify(signer.sign(content, ".png", original(), CLAIM), ".png"))
    assert (opened["action"], resized["action"], edited["action"]) == ("c2pa.opened", "c2pa.resized", "c2pa.edited")
    assert opened["parameters"]["ingredients"]
    assert edited["digitalSourceType"] == COMPOSITE
    assert edited["softwareAgent"] == {"name": "laa", "version": "1.2.3 (laa-photo 0123abcd)"}
    [change] = edited["changes"]
    shape = change["region"][0]["shape"]
    assert change["name"] == "face 3"
    assert (shape["unit"], shape["origin"], shape["width"], shape["height"]) == ("pixel", {"x": 8, "y": 9}, 20, 21)


@pytest.mark.parametrize(("scale", "action"), [(4, "c2pa.resized"), (1, "c2pa.transcoded")])
def test_without_restored_faces_nothing_is_said_of_trained_networks(signer: Signer, scale: int, action: str) -> None:
    claim = replace(CLAIM, scale=scale, regions=())
    done = actions(verify(signer.sign(encode_photo(Photo(noise_pixels()), ".png"), ".png", original(), claim), ".png"))
    assert [each["action"] for each in done] == ["c2pa.opened", action]
    assert "digitalSourceType" not in json.dumps(done)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_credentials_of_the_original_are_kept_in_the_new_ones(signer: Signer, suffix: str) -> None:
    first = signer.sign(encode_photo(Photo(ramp_pixels()), suffix), suffix, original(), replace(CLAIM, title="first"))
    second = signer.sign(encode_photo(Photo(noise_pixels()), ".png"), ".png", first, replace(CLAIM, title="second"))
    assert sorted(each["title"] for each in verify(second, ".png")["all"].values()) == ["first", "second"]


@pytest.mark.parametrize("content", [b"\xff\xd8 damaged", b"", b"RIFF", encode_image(Image.new("RGB", (4, 4)), "BMP"),
                                     encode_image(Image.new("P", (4, 4)), "GIF")])  # fmt: skip
def test_an_original_that_c2pa_does_not_read_is_named_all_the_same(signer: Signer, content: bytes) -> None:
    manifest = verify(signer.sign(encode_photo(Photo(noise_pixels()), ".png"), ".png", content, CLAIM), ".png")
    assert manifest["ingredients"][0]["title"] == "old.jpg"


@pytest.mark.parametrize("kind", ["es384", "es512", "ps256", "ed25519"])
def test_the_way_of_signing_follows_from_the_key(tmp_path: Path, kind: str) -> None:
    key = other_kinds()[kind]
    signer = Signer.load(*certify(key).write(tmp_path))
    assert signer.identity.algorithm == kind
    verify(signer.sign(encode_photo(Photo(noise_pixels()), ".png"), ".png", original(), CLAIM), ".png")


def test_a_key_in_openssls_own_form_serves_too(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import PrivateFormat

    certified = certify()
    certificate, key = certified.write(tmp_path)
    key.write_bytes(certified.pem(PrivateFormat.TraditionalOpenSSL))
    assert b"EC PRIVATE KEY" in key.read_bytes()
    Signer.load(certificate, key)


def spoiled(folder: Path, how: str) -> tuple[Path, Path]:
    """Files of a certificate and a key of which one is no use."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    certified = {
        "expired": lambda: certify(days=(-9, -2)),
        "early": lambda: certify(days=(2, 9)),
        "purpose": lambda: certify(for_email=False),
        "curve": lambda: certify(ec.generate_private_key(ec.SECP256K1())),
        "short": lambda: certify(rsa.generate_private_key(65537, 1024)),
    }.get(how, certify)()
    certificate, key = certified.write(folder)
    if how == "other":
        key.write_bytes(certify().pem())
    elif how == "encrypted":
        key.write_bytes(certified.pem(password=b"secret"))
    elif how == "reversed":
        certificate.write_bytes(certified.authority + certified.leaf)
    elif how == "no certificate":
        certificate.write_bytes(b"rubbish")
    elif how == "no key":
        key.write_bytes(certified.leaf)
    elif how == "gone":
        certificate.unlink()
    elif how == "large":
        key.write_bytes(bytes(2 << 20))
    return certificate, key


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("expired", r"signer\.pem holds from .* to .*, not now"),
        ("early", r"signer\.pem holds from .* to .*, not now"),
        ("purpose", r"c2pa refuses it .*: it needs the key usage digitalSignature, and emailProtection"),
        ("curve", r"signer\.key is a key of a kind that c2pa does not sign with: use P-256"),
        ("short", r"signer\.key is a key of a kind that c2pa does not sign with"),
        ("other", r"signer\.key is not the key of .*signer\.pem"),
        ("encrypted", r"signer\.key is encrypted, .*: openssl pkey -in .*signer\.key -out"),
        ("reversed", r"signer\.pem begins with another certificate than its key's"),
        ("no certificate", r"signer\.pem is no PEM file of certificates"),
        ("no key", r"signer\.key is no PEM file of a private key"),
        ("gone", r"cannot read .*signer\.pem: No such file"),
        ("large", r"signer\.key is no certificate or key: it has over"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said_before_any_work(tmp_path: Path, how: str, message: str) -> None:
    with pytest.raises(LaaError, match=message):
        Signer.load(*spoiled(tmp_path, how))


def test_one_of_the_two_options_alone_is_refused(files: tuple[Path, Path]) -> None:
    assert load_signer(None, None) is None
    with pytest.raises(UsageError, match=r"^sign and sign_key go together"):
        load_signer(files[0], None)
    with pytest.raises(UsageError, match=r"^sign and sign_key go together"):
        load_signer(None, files[1])


def test_without_c2pa_it_is_said_how_to_have_it(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(LaaError, match=r"--sign needs c2pa-python .*: pip install 'laa\[c2pa\]'"):
        Signer.load(*files)


def test_bmp_is_refused_before_any_work(signer: Signer) -> None:
    request = PhotoRequest(source="a.jpg", output="a.bmp", suffix=".bmp", options=Options(), signer=signer)
    with pytest.raises(UsageError, match=r"cannot sign a\.bmp: BMP has no place for it: use \.jpg"):
        process(original(), request, refuse_to_load)
    for suffix in SUFFIXES:
        check_signable(suffix, "it")


# On the command line


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.fromarray(noise_pixels(3, np.uint8, 34, 40)).save(path)
    return path


def upscale(photo: Path, signer: Signer, upscaler: Upscaler | None = None, **request: Any) -> Exit:
    loaded = upscaler or fake_upscaler()
    job = UpscaleRequest(options=Options(scale=2), signer=signer, **request)
    return run([photo], job, lambda: loaded, Screen(), no_stdin)


def test_upscale_signs_the_result_with_a_region_for_each_restored_face(photo: Path, signer: Signer) -> None:
    assert upscale(photo, signer) == Exit.OK
    target = photo.with_name("photo_x2.jpg")
    manifest = verify(target.read_bytes(), ".jpg")
    assert (manifest["title"], manifest["ingredients"][0]["title"]) == ("photo_x2.jpg", "photo.jpg")
    assert [change["name"] for change in actions(manifest)[-1]["changes"]] == ["face 1"]
    shape = actions(manifest)[-1]["changes"][0]["region"][0]["shape"]
    assert (shape["origin"], shape["width"]) == ({"x": 16, "y": 12}, 40)
    request = PhotoRequest(source="photo.jpg", output="x.jpg", suffix=".jpg", options=Options(scale=2))
    unsigned = process(photo.read_bytes(), request, fake_upscaler)
    pixels = read_photo(target, max_pixels=None).pixels
    np.testing.assert_array_equal(pixels, decode_photo(unsigned.content).pixels)


def test_credentials_that_no_longer_hold_are_named_once_unless_it_signs(
    photo: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    photo.write_bytes(signer.sign(photo.read_bytes(), ".jpg", original(), CLAIM))
    assert upscale(photo, None) == Exit.OK  # type: ignore[arg-type]
    assert capsys.readouterr().err.count(CREDENTIALS) == 1
    assert upscale(photo, signer, overwrite=True) == Exit.OK
    assert CREDENTIALS not in capsys.readouterr().err


def test_the_key_is_never_the_output(photo: Path, files: tuple[Path, Path], signer: Signer) -> None:
    link = photo.with_name("link.jpg")
    link.symlink_to(files[1])
    before = files[1].read_bytes()
    assert upscale(photo, signer, output=link, overwrite=True) == Exit.FAILED
    assert files[1].read_bytes() == before


@pytest.mark.parametrize("command", ["upscale", "batch"])
def test_a_wrong_key_ends_the_command_before_any_work(
    photo: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "keys").mkdir()
    certificate, key = spoiled(tmp_path / "keys", "other")
    places = [str(photo)] if command == "upscale" else [str(tmp_path), f"{tmp_path}_out"]
    monkeypatch.setattr(Upscaler, "from_options", refuse_to_load)
    assert laa(monkeypatch, command, *places, "--sign", str(certificate), "--sign-key", str(key)) == Exit.FAILED
    assert "is not the key of" in one_line(capsys)
    assert not photo.with_name("photo_x4.jpg").exists()


def test_a_batch_signs_from_several_threads_and_once(tmp_path: Path, signer: Signer) -> None:
    for number in range(6):
        write_photo_of_noise(tmp_path / "in" / f"{number}.jpg", number)
    recipe = Recipe(options=Options(scale=2), models=ModelOptions(), weights="weights", signer=signer.identity.digest)
    for _ in range(2):
        assert run_batch(tmp_path, signer=signer, recipe=recipe, workers=3) == Exit.OK
        assert len(records(tmp_path)) == 6
    titles = [
        verify((tmp_path / "out" / f"{number}.jpg").read_bytes(), ".jpg")["ingredients"][0]["title"] for number in range(6)
    ]
    assert titles == [f"{number}.jpg" for number in range(6)]


def test_the_recipe_knows_who_signs(signer: Signer) -> None:
    recipe = Recipe(options=Options(scale=2), models=ModelOptions(), weights="weights")
    digests = {replace(recipe, signer=who).digest(failed=False) for who in ("", signer.identity.digest, "another")}
    assert len(digests) == 3
    assert "signer" not in recipe.to_dict()["options"]
