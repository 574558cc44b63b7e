"""Specification of the model file: whole, verified to the last byte, and closed to everything foreign."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import safetensors.numpy

from rnnforecast.errors import DivergedError, ExitCode, ModelFileError, OutputError
from rnnforecast.store import model_file
from rnnforecast.store.layout import encode_header
from rnnforecast.store.model_file import ModelFile, read_manifest, read_model, write_model
from tests.store.builders import entry, forge_file, forge_header, make_model, make_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnnforecast.store.manifest import Manifest

WEIGHT_BYTES = b"\0\0\x80\x3f" * 4  # four float32 ones
DEEP = "[" * 20_000 + "]" * 20_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    write_model(path, make_model())
    return path


def refuse(path: Path, content: bytes) -> ModelFileError:
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        read_model(path)
    assert caught.value.exit_code == ExitCode.MODEL_FILE
    assert caught.value.hint
    return caught.value


def header_size(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


def test_tensors_come_back_as_they_were_written(path: Path) -> None:
    tensors = read_model(path).tensors
    for name, tensor in make_tensors().items():
        np.testing.assert_array_equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 5), (2, 3, 4)])
def test_every_type_and_shape_survives(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    tensor = np.ones(shape, dtype)
    write_model(tmp_path / "m.safetensors", ModelFile(make_model().manifest, {"context.x": tensor}))
    back = read_model(tmp_path / "m.safetensors").tensors["context.x"]
    assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)
    np.testing.assert_array_equal(back, tensor)


def test_strided_and_big_endian_arrays_come_back_by_value(tmp_path: Path) -> None:
    tensor = np.arange(12.0).reshape(3, 4).astype(">f8").T[::2]
    write_model(tmp_path / "m.safetensors", ModelFile(make_model().manifest, {"members.0.w": tensor}))
    np.testing.assert_array_equal(read_model(tmp_path / "m.safetensors").tensors["members.0.w"], tensor)


def test_tensors_lie_aligned_in_memory(path: Path) -> None:
    assert all(tensor.flags.aligned for tensor in read_model(path).tensors.values())


def test_the_manifest_comes_back_with_the_digest_of_the_payload(path: Path) -> None:
    content = path.read_bytes()
    manifest = read_model(path).manifest
    assert manifest.payload_sha256 == hashlib.sha256(content[header_size(content) :]).hexdigest()
    assert manifest.model_copy(update={"payload_sha256": ""}) == make_model().manifest


def test_writing_returns_the_manifest_that_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    assert write_model(path, make_model()) == read_manifest(path)


def test_the_same_model_gives_the_same_bytes_in_any_order_of_tensors(tmp_path: Path, path: Path) -> None:
    model = make_model()
    write_model(tmp_path / "again", ModelFile(model.manifest, dict(reversed([*model.tensors.items()]))))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_the_safetensors_library_reads_the_file(path: Path) -> None:
    tensors = safetensors.numpy.load_file(path)
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
        name: tensor.tolist() for name, tensor in make_tensors().items()
    }


def test_weights_are_found_by_member(path: Path) -> None:
    assert sorted(read_model(path).member(0)) == ["bias", "weight"]
    assert list(read_model(path).group("calibration")) == ["factors"]


def test_a_model_without_last_rows_has_no_context(tmp_path: Path) -> None:
    write_model(tmp_path / "m", ModelFile(make_model().manifest, {}))
    assert read_model(tmp_path / "m").context() is None


# ---- damage ----


def test_a_file_cut_at_any_length_is_rejected(path: Path) -> None:
    content = path.read_bytes()
    lengths = sorted({*range(0, len(content), 9), *range(120), len(content) - 1})
    assert len(lengths) > 300
    for length in lengths:
        refuse(path, content[:length])


def test_any_changed_byte_of_the_header_is_found(path: Path) -> None:
    content = path.read_bytes()
    for position in range(header_size(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        refuse(path, bytes(changed))


def test_any_changed_byte_of_the_header_is_found_without_reading_the_payload(path: Path) -> None:
    content = path.read_bytes()
    for position in range(0, header_size(content), 7):
        changed = bytearray(content)
        changed[position] ^= 0x20  # the bit between small and capital letters, the case of hexadecimal digits
        path.write_bytes(changed)
        with pytest.raises(ModelFileError):
            read_manifest(path)


def test_any_changed_byte_of_the_payload_is_found(path: Path) -> None:
    content = path.read_bytes()
    start, generator = header_size(content), random.Random(0)
    for _ in range(2_000):
        changed = bytearray(content)
        changed[generator.randrange(start, len(content))] ^= generator.randrange(1, 256)
        assert "tensors do not match their digest" in refuse(path, bytes(changed)).message


def test_a_byte_too_many_is_rejected(path: Path) -> None:
    content = path.read_bytes()
    assert f"{len(content) + 1:,} bytes where {len(content):,} belong" in refuse(path, content + b"\0").message


def test_a_payload_of_another_valid_model_is_rejected(tmp_path: Path, path: Path) -> None:
    write_model(tmp_path / "other", make_model(seed=1))
    ours, other = path.read_bytes(), (tmp_path / "other").read_bytes()
    assert "digest" in refuse(path, ours[: header_size(ours)] + other[header_size(other) :]).message


def test_a_cut_file_is_seen_by_its_header_alone(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match=r"is damaged: it has .* bytes where .* belong"):
        read_manifest(path)


def test_an_empty_file_is_called_empty(path: Path) -> None:
    assert "is damaged: it is empty" in refuse(path, b"").message


# ---- what is no model ----


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_rejected_by_name_and_not_opened(path: Path, protocol: int) -> None:
    problem = refuse(path, pickle.dumps({"weights": [1.0, 2.0]}, protocol))
    if protocol >= 2:
        assert "is a pickle, and a file like that can run code" in problem.message
        assert problem.code == "E_MODEL_PICKLE"
        assert "convert it by training again" in (problem.hint or "")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04archive/data.pkl" * 9, "zip archive, the form in which torch saves"),
        (b"PK\x05\x06" + bytes(200), "zip archive"),
        (b"PK\x07\x08" + bytes(200), "zip archive"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(200), "a pickle, the old form in which torch saves"),
        (b"cos\nsystem\n(S'true'\ntR." + bytes(200), "a pickle"),
        (b"c__builtin__\neval\n(S'1'\ntR." + bytes(200), "a pickle"),
        (b"\x1f\x8b\x08" + bytes(200), "a gzip file"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(200), "a 7z archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(200), "an HDF5 file"),
        (b"\x93NUMPY\x01\x00" + bytes(200), "a NumPy array"),
        (b"PAR1" + bytes(200), "a Parquet file"),
        (b"Date,Close\n" + b"2024-01-02,1.0\n" * 20, "is no model file"),
        (safetensors.numpy.save({"w": np.ones(99)}), "a safetensors file of another program"),
        (safetensors.numpy.save({"w": np.ones(99)}, {"manifest": "{}"}), "a safetensors file of another program"),
        (b"\0" * 400, "is no model file"),
    ],
)
def test_a_foreign_file_is_named_by_its_first_bytes(path: Path, content: bytes, kind: str) -> None:
    assert kind in refuse(path, content).message


def test_a_pickle_behind_a_model_is_rejected(path: Path) -> None:
    assert "bytes where" in refuse(path, path.read_bytes() + pickle.dumps([1])).message


def test_a_missing_file_is_rejected_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"nothing.safetensors` cannot be read: no such file"):
        read_model(tmp_path / "nothing.safetensors")


def test_a_folder_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read: not a regular file"):
        read_model(tmp_path)


def test_a_pipe_is_rejected_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="cannot be read: not a regular file"):
        read_model(tmp_path / "pipe")


def test_a_path_with_a_zero_byte_is_rejected() -> None:
    with pytest.raises(ModelFileError, match="null byte"):
        read_model("model\0.safetensors")


# ---- forged files: digests right, contents hostile ----


def test_the_forger_of_these_tests_can_write_a_file_that_is_read(path: Path) -> None:
    path.write_bytes(forge_file(entry("members.0.w", "F32", [4], 0, 16), payload=WEIGHT_BYTES))
    assert read_model(path).tensors["members.0.w"].tolist() == [1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        (entry("a", "F32", [4], 0, 16) + entry("b", "F32", [2], 8, 16), "begins at byte 8 where 16 is free"),
        (entry("a", "F32", [2], 8, 16), "begins at byte 8 where 0 is free"),
        (entry("a", "F32", [1], 0, 4) + entry("b", "F32", [1], 12, 16), "begins at byte 12 where 4 is free"),
        (entry("a", "F32", [2], 0, 16), "entry of tensor `a` is not sound"),
        (entry("a", "F32", [-4], 0, 16), "is not sound"),
        (entry("a", "F32", [4.0], 0, 16), "is not sound"),
        (entry("a", "F32", [True, 4], 0, 16), "is not sound"),
        (entry("a", "F32", "4", 0, 16), "is not sound"),
        (entry("a", "F32", [2**32, 2**32], 0, 16), "is not sound"),
        (entry("a", "F32", [2**62 + 1, 4], 0, 16), "is not sound"),
        (entry("a", "F32", [0, 10**9, 10**9, 10**9], 0, 0), "is not sound"),
        (entry("a", "F32", [1] * 60 + [4], 0, 16), "is not sound"),
        (entry("a", "F32", [10**9], 0, 4 * 10**9), "is not sound"),
        (entry("a", "F32", [4], 0, "1e400"), "the number 1e400 is too large"),
        (entry("a", "F32", [4], 0, "9" * 5000), "Exceeds the limit"),
        (entry("a", "F32", [4], -16, 0), "is not sound"),
        (entry("a", "F32", [4], 0, "NaN"), "`NaN` is not a JSON number"),
        (entry("a", "BF16", [8], 0, 16), "is not sound"),
        (entry("a", "O", [2], 0, 16), "is not sound"),
        (',"a":"os.system"', "is not sound"),
        (',"a":{"class":"os.system"}', "is not sound"),
        (entry("__class__", "F32", [4], 0, 16), "`__class__` is not sound"),
        (entry("../../etc/passwd\\u0000", "F32", [4], 0, 16), "is not sound"),
        (entry("x" * 300, "F32", [4], 0, 16), "is not sound"),
        (entry("", "F32", [4], 0, 16), "is not sound"),
        (entry("a", "F32", [4], 0, 16) * 2, "the key `a` occurs twice"),
        (f',"a":{DEEP}', "nested too deeply"),
        (f',"a":{{"dtype":"F32","shape":{DEEP},"data_offsets":[0,16]}}', "nested too deeply"),
        (entry("a", "F32", [4], 0, 16).replace("}", ',"extra":1}'), "spelled in another way"),
        (entry("a", "F32", [4], 0, 16).replace(":", ": "), "spelled in another way"),
        (entry("a", "F32", [4], 0, 16) + " ", "spelled in another way"),
        (entry("a", "F32", [2], 0, 8), "bytes where"),
        (entry("a", "F32", [8], 0, 32), "bytes where"),
        ("", "bytes where"),
        (',"a', "holds no manifest that rnnforecast reads"),
        ("".join(entry(f"t{i}", "U8", [0], 0, 0) for i in range(5_001)), "it names 5,001 tensors"),
    ],
)
def test_a_forged_header_is_rejected(path: Path, tensors: str, reason: str) -> None:
    assert reason in refuse(path, forge_file(tensors, payload=WEIGHT_BYTES)).message


@pytest.mark.parametrize("length", [2**22 + 8, 10**9, 2**40, 2**63, 2**64 - 1])
def test_a_header_beyond_the_limit_is_rejected_before_it_is_read(path: Path, length: int) -> None:
    problem = refuse(path, length.to_bytes(8, "little") + path.read_bytes()[8:])
    assert f"claims a header of {length:,} bytes" in problem.message
    assert problem.code == "E_MODEL_LIMITS"


def test_a_file_beyond_the_limit_is_rejected_before_it_is_read(path: Path) -> None:
    os.truncate(path, 2**30 + 1)  # sparse: takes no space on the disk
    with pytest.raises(ModelFileError, match="in a file of 1,073,741,825"):
        read_model(path)


@pytest.mark.parametrize("rest", ["}", ',"manifest":7}}', ',"manifest":["a"]}}'])
def test_a_header_without_a_manifest_is_rejected(path: Path, rest: str) -> None:
    path.write_bytes(forge_header(rest if rest.endswith("}}") else rest + "}"))
    with pytest.raises(ModelFileError, match="it holds no manifest"):
        read_model(path)


def test_weights_that_are_not_finite_are_rejected(path: Path) -> None:
    payload = np.array([1.0, np.nan], np.float32).tobytes()
    problem = refuse(path, forge_file(entry("members.0.w", "F32", [2], 0, 8), payload=payload))
    assert "holds values in `members.0.w` that no training of rnnforecast writes" in problem.message


def test_a_bool_that_is_neither_true_nor_false_is_rejected(path: Path) -> None:
    problem = refuse(path, forge_file(entry("context.observed", "BOOL", [2], 0, 2), payload=b"\x01\x02"))
    assert problem.code == "E_MODEL_VALUES"


def test_shapes_are_shown_to_the_caller_before_the_payload_is_read(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: header_size(content)] + bytes(len(content) - header_size(content)))
    seen: dict[str, tuple[int, ...]] = {}

    def check(manifest: Manifest, shapes: Mapping[str, tuple[int, ...]]) -> None:
        seen.update(shapes)
        raise ModelFileError(f"shapes of {manifest.name}")

    with pytest.raises(ModelFileError, match="shapes of prices"):
        read_model(path, check_shapes=check)
    assert seen["members.0.weight"] == (16, 24)


# ---- writing ----


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_not_stored(tmp_path: Path, value: float) -> None:
    model = ModelFile(make_model().manifest, {"members.0.w": np.array([1.0, value])})
    with pytest.raises(DivergedError, match=r"`members.0.w` is not finite and was not stored"):
        write_model(tmp_path / "m", model)
    assert list(tmp_path.iterdir()) == []


def test_missing_values_of_the_last_rows_are_stored(tmp_path: Path) -> None:
    write_model(tmp_path / "m", ModelFile(make_model().manifest, {"context.values": np.array([1.0, np.nan])}))
    assert np.isnan(read_model(tmp_path / "m").tensors["context.values"][1])


def test_a_type_the_format_does_not_hold_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`members.0.w` has type int32"):
        write_model(tmp_path / "m", ModelFile(make_model().manifest, {"members.0.w": np.ones(3, np.int32)}))


def test_a_name_the_format_does_not_hold_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`__metadata__` is not a valid tensor name"):
        write_model(tmp_path / "m", ModelFile(make_model().manifest, {"__metadata__": np.ones(3)}))


def test_a_model_beyond_the_limits_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(model_file, "MAX_TENSORS", 3)
    with pytest.raises(OutputError, match=r"4 tensors and .* bytes in all"):
        write_model(path, make_model(seed=1))
    assert path.read_bytes() == before


def test_a_file_that_reads_back_otherwise_never_takes_the_place_of_the_old(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(model_file, "encode_header", lambda *contents: encode_header(*contents)[:-1] + b"?")
    with pytest.raises(OutputError, match="verification failed") as caught:
        write_model(path, make_model(seed=1))
    assert caught.value.code == "E_OUT_VERIFY"
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == {path.name: before}
