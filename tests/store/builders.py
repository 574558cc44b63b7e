"""Small models, and files that look like models, for the tests of the store."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.config import MemberSettings
from rnnforecast.store.manifest import InputRecord, Manifest, Roles
from rnnforecast.store.model_file import ModelFile, read_model

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS = ("Date", "Close")
HEADER_PREFIX = b'{"__metadata__":{"header_sha256":"'


def make_tensors(seed: int = 0) -> dict[str, np.ndarray]:
    """One tensor of every kind a model holds, about 2 kB."""
    generator = np.random.default_rng(seed)
    return {
        "members.0.weight": generator.normal(size=(16, 24)).astype(np.float32),
        "members.0.bias": generator.normal(size=16).astype(np.float16),
        "calibration.factors": np.ones((4, 3)),
        "context.observed": np.array([True, False, True]),
    }


def make_model(
    name: str = "prices", *, seed: int = 0, path: str = "/data/prices.csv", columns: tuple[str, ...] = COLUMNS
) -> ModelFile:
    """A model of two rows of settings and four tensors; `seed` changes its weights."""
    manifest = Manifest(
        name=name,
        rnnforecast="0.1.0",
        roles=Roles(time="Date", target=("Close",)),
        freq={"unit": "day", "multiple": 1},
        horizon=4,
        quantile_levels=(0.1, 0.5, 0.9),
        members=(MemberSettings(context_length=8, horizon=4),),
        metrics={"ensemble": {"mase": 0.8}},
        input=InputRecord(paths=(path,), columns=columns),
        seed=seed,
    )
    return ModelFile(manifest, make_tensors(seed))


#: A model of an earlier release, whose forecasts are kept next to it.
KEPT = Path(__file__).parent / "kept" / "gru.safetensors"


def sound_model(name: str = "prices") -> ModelFile:
    """Return a model that can forecast: the kept one under another name."""
    kept = read_model(KEPT)
    return replace(kept, manifest=kept.manifest.model_copy(update={"name": name}))


def forge_header(table: Mapping[str, object] | str) -> bytes:
    """Return length and header with a right digest around a table of any content, as an attacker would."""
    text = table if isinstance(table, str) else json.dumps(table, separators=(",", ":"))
    rest = text.encode("ascii")
    body = HEADER_PREFIX + b"0" * 64 + b'"' + rest
    body += b" " * (-len(body) % 8)
    blank = len(body).to_bytes(8, "little") + body
    digest = hashlib.sha256(blank).hexdigest().encode("ascii")
    return blank[: 8 + len(HEADER_PREFIX)] + digest + blank[8 + len(HEADER_PREFIX) + 64 :]


def forge_file(tensors: str, *, payload: bytes = b"", manifest: str | None = None) -> bytes:
    """Return a whole file whose header is sound up to `tensors`, the JSON after the metadata."""
    if manifest is None:
        manifest = (
            make_model().manifest.model_copy(update={"payload_sha256": hashlib.sha256(payload).hexdigest()}).to_json()
        )
    return forge_header(f',"manifest":{json.dumps(manifest)}}}{tensors}}}') + payload


def entry(name: str, dtype: str, shape: object, begin: object, end: object) -> str:
    """Return the JSON of one tensor in a forged header."""
    return f',"{name}":{{"dtype":"{dtype}","shape":{json.dumps(shape)},"data_offsets":[{begin},{end}]}}'


def damage(path: Path) -> None:
    """Change one bit of the header of a model file."""
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
