"""Specification of trust: a model file brings data, never code, whatever its bytes."""

from __future__ import annotations

import ast
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import rnnforecast
from rnnforecast.errors import ExitCode, ModelFileError
from rnnforecast.inference.season_classes import pretrained_settings
from rnnforecast.store.model_file import read_model, write_model
from tests.store.builders import entry, forge_file, make_model

ROOT = Path(rnnforecast.__file__).parent
LOAD_PATH = sorted(
    [*(ROOT / "store").glob("*.py"), *(ROOT / name for name in ("errors.py", "findings.py", "config.py"))]
)

BANNED_MODULES = {
    *("pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "torch", "importlib"),
    *("runpy", "code", "ctypes", "subprocess", "socket", "zipfile", "tarfile", "shutil", "pydoc", "pkgutil"),
}
BANNED_CALLS = {"eval", "exec", "compile", "__import__", "setattr"}
BANNED_METHODS = {"system", "popen", "load", "__setattr__", "locate", "import_module"}


def imported_modules(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def banned_calls(tree: ast.AST) -> list[str]:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [call.id for call in calls if isinstance(call, ast.Name) and call.id in BANNED_CALLS]
    return names + [call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in BANNED_METHODS]


@pytest.mark.parametrize("path", LOAD_PATH, ids=lambda path: path.name)
def test_the_load_path_imports_nothing_that_runs_code(path: Path) -> None:
    assert imported_modules(ast.parse(path.read_text("utf-8"))) & BANNED_MODULES == set()


@pytest.mark.parametrize("path", LOAD_PATH, ids=lambda path: path.name)
def test_the_load_path_calls_nothing_that_runs_code_or_sets_attributes_by_name(path: Path) -> None:
    assert banned_calls(ast.parse(path.read_text("utf-8"))) == []


class Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('ran')",)


def far_reaching_member() -> dict[str, object]:
    """The settings of a network whose every window would be a hundred million steps."""
    sound = pretrained_settings(7, hidden_size=1, num_layers=1).model_dump(mode="json")
    return {**sound, "num_segments": 1_000, "segment_length": 100_000}


def test_settings_that_would_fill_the_memory_are_rejected_by_what_they_ask_for(tmp_path: Path) -> None:
    manifest = {**make_model().manifest.to_dict(), "members": [far_reaching_member()]}
    path = tmp_path / "reach.safetensors"
    path.write_bytes(forge_file("", manifest=json.dumps(manifest)))
    with pytest.raises(ModelFileError, match="ask for 100000000 steps of the past, at most 1000000") as caught:
        read_model(path)
    assert caught.value.exit_code == ExitCode.MODEL_FILE


def hostile_files() -> dict[str, bytes]:
    """Files made to run code or to fill the memory, under the name of a model."""
    dump = pickle.dumps(Exploit())
    manifest = make_model().manifest.to_dict()
    return {
        **{f"pickle{protocol}": pickle.dumps(Exploit(), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)},
        "zip": b"PK\x03\x04" + dump,
        "zip-end": b"PK\x05\x06" + dump,
        "behind": forge_file("") + dump,
        "length-that-is-a-pickle": b"\x80\x02" + bytes(6) + b"{" + b" " * 639,
        "class": forge_file("", manifest=json.dumps({**manifest, "members": [{"class": "os.system"}]})),
        "served": forge_file("", manifest=json.dumps({**manifest, "__class__": "os.system", "served": ["x"]})),
        "deep": forge_file(',"a":' + "[" * 2_000_000),
        "wide": forge_file(',"a":[' + "[]," * 1_300_000 + "[]]"),
        "objects": forge_file(',"a":[' + "{}," * 1_300_000 + "{}]"),
        "many": forge_file("".join(entry(f"t{i}", "U8", [0], 0, 0) for i in range(50_000))),
        "huge": forge_file(entry("members.0.w", "F64", [2**30, 2**30], 0, 2**63)),
        "reach": forge_file("", manifest=json.dumps({**manifest, "members": [far_reaching_member()]})),
    }


def test_hostile_files_run_nothing_open_nothing_and_stay_small(tmp_path: Path) -> None:
    for name, content in hostile_files().items():
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    write_model(tmp_path / "sound.safetensors", make_model())
    script = """
import sys
from pathlib import Path
from rnnforecast.errors import ModelFileError
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.registry import Registry

Manifest.model_rebuild()  # pydantic compiles its own code at the first use
FORBIDDEN = ("pickle.", "exec", "compile", "import", "subprocess.", "os.", "ctypes.", "socket.", "shutil.")
events = []
sys.addaudithook(lambda event, _: events.append(event) if event.startswith(FORBIDDEN) else None)
sound = []
for path in sorted(Path(sys.argv[1]).glob("*.safetensors")):
    events.append(path.name)
    events.clear()
    try:
        Registry(sys.argv[1]).resolve(str(path)).load()
        sound.append(path.stem)
    except ModelFileError:
        pass
    if events:
        sys.exit(f"{path.name}: {events}")
# not ru_maxrss: a new process inherits it from the one that started it
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(*sound, int(peak.split()[1]) // 1024)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    sound, megabytes = done.stdout.split()
    assert sound == "sound"
    assert int(megabytes) < 300
