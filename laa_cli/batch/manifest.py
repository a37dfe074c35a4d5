"""`manifest.jsonl`: one line for each photo, on disk before its result gets its name.

A record therefore counts only where the result is there with the recorded hash. The last record of a photo is the one that
holds. A torn last line, which a killed run or a full disk leaves, is cut off before anything is added.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import torch

from models.checkpoint import DEFAULT_WEIGHTS

from .. import __version__
from ..errors import LaaError, SetupError, explain_os_error
from ..options import PLAIN, ModelOptions, Options
from ..restore.background import background_rule, background_weights
from ..restore.runtime import TORCH, choose_runtime
from ..utils.jsonl import JsonLinesFile
from ..utils.precision import FLOAT32
from ..utils.sha256 import hash_file
from .scan import PhotoFile
from .schema import ManifestRecord, RecipeRecord, is_name_pair, parse_record

NAME = "manifest.jsonl"


class Manifest:
    """The records of a folder of results by the names of their photos. SetupError where it cannot be read or written."""

    def __init__(self, out: Path) -> None:
        self.path = out / NAME
        try:
            self.file = JsonLinesFile(self.path, fsync=True)
            lines = self.file.recover()
        except OSError as error:
            raise self.unusable(error) from error
        self.records: dict[str, ManifestRecord] = {}
        self.outputs: set[str] = set()  # every name that a result was ever given
        self.misfits: set[str] = set()  # photos whose last record does not fit
        self.foreign_lines = 0
        for value, _ in lines:
            record = parse_record(value)
            if record is None:
                self.pass_over(value)
            else:
                self.remember(record)

    def append(self, record: ManifestRecord) -> None:
        """Adds a record; it is on disk when this returns."""
        try:
            self.file.append(record)
        except OSError as error:
            raise self.unusable(error) from error
        self.remember(record)

    def remember(self, record: ManifestRecord) -> None:
        """Puts a record in the place of the photo's earlier one."""
        self.records[record["input"]] = record
        self.misfits.discard(record["input"])
        if record["error"] is None:
            self.outputs.add(record["output"])

    def pass_over(self, value: Any) -> None:
        """Forgets what is known of the photo of a line that does not fit, so that it is done again, over its own result."""
        photo, output = (value.get("input"), value.get("output")) if isinstance(value, dict) else (None, None)
        if not (isinstance(photo, str) and isinstance(output, str) and is_name_pair(photo, output)):
            self.foreign_lines += 1
            return
        self.records.pop(photo, None)
        self.misfits.add(photo)
        self.outputs.add(output)

    def complaints(self) -> Iterator[str]:
        """Says what of the file does not fit."""
        if self.misfits:
            yield f"records in {self.path} that do not fit, and are done again: {len(self.misfits)}"
        if self.foreign_lines:
            yield f"lines in {self.path} that are no records, and are passed over: {self.foreign_lines}"

    def unusable(self, error: OSError) -> SetupError:
        """Builds the error for a manifest that cannot be read or written."""
        reason = explain_os_error(error, "make room or check its permissions")
        return SetupError(f"cannot use {self.path}: {reason}, then run the same command again")

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.file.close()


# What a result was made with


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides on the bytes of a result: a result that was made otherwise is made again. `weights`: their SHA-256.

    `background`: the rule that holds for the background (`background_rule`); `background_weights`: the SHA-256 of those that it
    may use. `precision`, `runtime`: those of the face network that device and precision came to (`restore.runtime.Runtime`).
    `persons`: whose faces are restored, by the photos' face tags; none: everybody's. `mark`: whether results say that laa made
    them. `signer`: the SHA-256 of the certificates that results are signed with; empty: they are not.
    """

    options: Options
    models: ModelOptions
    weights: str
    background: str = PLAIN
    background_weights: str | None = None
    precision: str = FLOAT32
    runtime: str = TORCH
    strip_metadata: bool = False
    require_face: bool = False
    persons: tuple[str, ...] = ()
    mark: bool = True
    signer: str = ""

    @classmethod
    def of(
        cls,
        options: Options,
        models: ModelOptions,
        *,
        strip_metadata: bool,
        require_face: bool,
        persons: tuple[str, ...] = (),
        mark: bool = True,
        signer: str = "",
    ) -> Recipe:
        """The recipe of these options, its weights read and hashed. Raises LaaError where they cannot be read."""
        runtime = choose_runtime(models.device, models.precision)
        path, rule = background_weights(models), background_rule(models, runtime.device)
        digest = hash_weights(path, "background's network") if path else None  # read in any case, for its errors
        counts = options.scale > 1  # otherwise the background is left alone
        return cls(
            options=options,
            models=models,
            weights=hash_weights(models.weights or DEFAULT_WEIGHTS, "weights"),
            background=rule if counts else PLAIN,
            background_weights=digest if counts else None,
            precision=runtime.precision,
            runtime=runtime.name,
            strip_metadata=strip_metadata,
            require_face=require_face,
            persons=persons,
            mark=mark,
            signer=signer,
        )

    def to_dict(self) -> RecipeRecord:
        """Describes it for a record."""
        rules = {"background": self.background, "precision": self.precision, "runtime": self.runtime}
        limits = {"strip_metadata": self.strip_metadata, "require_face": self.require_face}
        versions = {"laa": __version__, "torch": torch.__version__}
        persons = {"persons": "\n".join(self.persons)} if self.persons else {}
        unmarked = {} if self.mark else {"mark": False}
        signed = {"signer": self.signer} if self.signer else {}
        options = asdict(self.options) | model_settings(self.models) | rules | limits | persons | unmarked | signed
        return {
            "versions": versions,
            "weights": self.weights,
            "background_weights": self.background_weights,
            "options": options,
        }

    def digest(self, *, failed: bool) -> str:
        """Computes its SHA-256. Limits that only decide whether a photo fails count for those that `failed`."""
        values: dict[str, Any] = {**self.to_dict(), "versions": __version__}  # another torch is no reason to do all again
        if not failed:
            for limit in ("max_pixels", "require_face"):
                del values["options"][limit]
        if self.background == PLAIN:  # as all results were made before there was another: they stay
            del values["options"]["background"], values["background_weights"]
        if (self.precision, self.runtime) == (FLOAT32, TORCH):  # likewise
            del values["options"]["precision"], values["options"]["runtime"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def model_settings(models: ModelOptions) -> dict[str, Any]:
    """The model options that decide on bytes as they are given, those to come, too.

    The weights count by their hashes, the background by its rule, device and precision by the runtime that they come to.
    """
    values = asdict(models)
    for name in ("device", "precision", "weights", "background"):
        del values[name]
    return {"min_face": values.pop("min_face_px"), **values}  # as manifests have always called it


def hash_weights(path: Path, name: str) -> str:
    """Computes the SHA-256 of a model file, which messages call `name`. LaaError where it cannot be read."""
    try:
        return hash_file(path)
    except OSError as error:
        raise LaaError(f"cannot read the {name} {path}: {error.strerror or error}") from error


# Incremental runs: which photos of a folder have to be done


@dataclass
class Status:
    """The photos that have to be done, those that are, and those that failed before and are as they were then."""

    todo: list[PhotoFile] = field(default_factory=list)
    done: list[PhotoFile] = field(default_factory=list)
    failed: list[PhotoFile] = field(default_factory=list)


def status_of(photos: list[PhotoFile], out: Path, recipe: Recipe, manifest: Manifest) -> Status:
    """Sorts the photos by the manifest and the files. Those whose size and time are as recorded are not read again."""
    status = Status()
    digests = {failed: recipe.digest(failed=failed) for failed in (False, True)}
    for photo in photos:
        record = manifest.records.get(photo.name)
        if record is None or not is_current(photo, record, digests, manifest):
            status.todo.append(photo)
        elif record["error"] is not None:
            status.failed.append(photo)
        else:
            intact = is_unchanged(out / photo.output, record, "output_", manifest)
            (status.done if intact else status.todo).append(photo)
    return status


def is_current(photo: PhotoFile, record: ManifestRecord, digests: dict[bool, str], manifest: Manifest) -> bool:
    """Whether a record speaks of the photo as it is, and of this recipe. `digests`: the recipe's, by whether a photo failed."""
    if record["output"] != photo.output or record["recipe"] != digests[record["error"] is not None]:
        return False
    return is_unchanged(photo.path, record, "", manifest)


def is_unchanged(path: Path, record: ManifestRecord, prefix: str, manifest: Manifest) -> bool:
    """Whether a file is the recorded one; its fields begin with `prefix`. A new time of the same content is recorded."""
    fields: dict[str, Any] = {**record}
    try:
        status = path.stat()
        if status.st_size != fields[f"{prefix}size"]:
            return False
        if status.st_mtime_ns != fields[f"{prefix}mtime_ns"]:
            if hash_file(path) != fields[f"{prefix}sha256"]:
                return False
            latest = {**manifest.records[record["input"]], f"{prefix}mtime_ns": status.st_mtime_ns}
            manifest.append(cast(ManifestRecord, latest))
    except OSError:
        return False
    return True
