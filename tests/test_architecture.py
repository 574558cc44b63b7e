"""Architecture: which layer imports which, which imports stay light, how large a file or function is."""

from __future__ import annotations

import ast
import json
import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.house import PACKAGE, functions, imports, modules, run_python
from tests.layers import FEATURES, LAYERS, OUTSIDE, SHORT_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.house import Module

#: The check of the installation looks whether torch is there, inside a function.
EXCEPTIONS = {("rnnforecast.workflows.doctor", "torch")}

#: Packages that take longer to import than `--help` may take.
HEAVY = ("torch", "pandas", "scipy", "pydantic", "pyarrow", "numpy", "rich", "utilsforecast", "statsforecast", "rich")

MAX_LINES = 600
MIN_LINES = 40
MAX_LINES_PER_FUNCTION = 60
MAX_PARAMETERS = 8


def test_every_part_of_the_package_has_a_layer() -> None:
    assert {module.part for module in modules()} <= LAYERS.keys()


def test_imports_go_to_lower_layers_only() -> None:
    upward = [
        f"{module.name}:{line} imports {name}"
        for module in modules()
        for line, name in imports(module.tree)
        if _part_of(name) is not None and not _is_below(module, str(_part_of(name)))
    ]
    assert upward == []


def test_each_part_imports_only_its_own_outside_packages() -> None:
    others = [
        f"{module.name}:{line} imports {name}"
        for module in modules()
        for line, name in imports(module.tree)
        if _is_outside(name)
        and name.split(".")[0] not in OUTSIDE.get(module.part, set())
        and (module.name, name.split(".")[0]) not in EXCEPTIONS
    ]
    assert others == []


def test_there_are_no_import_circles() -> None:
    """All imports count: at the top, in functions, and for the type checker; the lazy public names do not."""
    names = {module.name for module in modules()}
    graph = {
        module.name: {_module_of(name, names) for _, name in imports(module.tree)} - {module.name}
        for module in modules()
        if module.name != "rnnforecast"
    }
    assert list(_circles(graph)) == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["predict", "--help"]])
def test_help_imports_no_heavy_package(arguments: list[str]) -> None:
    code = f"from rnnforecast.cli.main import main; code = main({arguments!r}); assert code == 0, code"
    assert _imported_by(code) == []


def test_import_of_the_package_imports_no_heavy_package() -> None:
    assert _imported_by("import rnnforecast; dir(rnnforecast)") == []


def test_predict_imports_neither_torch_nor_scipy(workplace: Path) -> None:
    loaded = _imported_by("from rnnforecast.cli.main import main; assert main(['predict']) == 0")
    assert {"torch", "scipy", "statsforecast", "utilsforecast"}.isdisjoint(loaded)
    assert (workplace / ".rnnforecast").is_dir()


@pytest.mark.parametrize("model", ["good", "base"])
def test_a_stream_of_rows_imports_neither_torch_nor_scipy(workplace: Path, model: str) -> None:
    (workplace / "rows.csv").write_bytes((workplace / "good.csv").read_bytes())
    reading = ["--target", "value", "--time", "date", "--freq", "D"] if model == "base" else []
    command = ["stream", model, "--input", "rows.csv", "--output", "answers.csv", "--state", "rows.state", *reading]
    loaded = _imported_by(f"from rnnforecast.cli.main import main; assert main({command!r}) == 0")
    assert {"torch", "scipy"}.isdisjoint(loaded)
    assert len((workplace / "answers.csv").read_text().splitlines()) > 1


@pytest.mark.parametrize("flags", [["--quiet"], ["--check", "--no-read", "--format", "json"], ["--print-cron"]])
def test_a_batch_computes_in_its_jobs_alone_and_loads_no_pandas(workplace: Path, flags: list[str]) -> None:
    job = '[[job]]\nname = "a"\nmodel = "good"\ndata = "good.csv"\noutput = "a.csv"\n'
    (workplace / "nightly.toml").write_text(job, encoding="utf-8")
    command = ["batch", "nightly.toml", *flags]
    loaded = _imported_by(f"from rnnforecast.cli.main import main; assert main({command!r}) == 0")
    assert {"torch", "pandas", "scipy"}.isdisjoint(loaded)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["train", "--target", "nothing"], 13),
        (["inspect", "--target", "nothing"], 13),
        (["inspect"], 0),
        (["train"], 0),
    ],
)
def test_a_file_that_is_rejected_or_that_nothing_is_fitted_to_costs_no_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("date,a\n" + "".join(f"2024-01-{day:02d},{day}\n" for day in range(1, 29)))
    command = [words[0], "rows.csv", *words[1:]]
    loaded = _imported_by(f"from rnnforecast.cli.main import main; found = main({command!r}); assert found == {code}")
    assert "torch" not in loaded


def test_import_of_any_module_leaves_no_trace() -> None:
    names = [module.name for module in modules() if module.part != "__main__"]
    code = f"""
import importlib, json, logging, os, random, sys, threading, warnings
import numpy, pandas, torch, typer, rich.progress, scipy.stats, pydantic, pyarrow

def state():
    return dict(
        handlers=[str(handler) for handler in logging.getLogger().handlers],
        level=logging.getLogger().level,
        python=hash(random.getstate()),
        numpy=hash(str(numpy.random.get_state())),
        torch=hash(torch.get_rng_state().numpy().tobytes()),
        torch_threads=torch.get_num_threads(),
        torch_dtype=str(torch.get_default_dtype()),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        numpy_errors=numpy.geterr(),
        pandas_options=str(pandas.get_option("display.width")),
        filters=len(warnings.filters),
        environment=dict(os.environ),
        folder=os.getcwd(),
        threads=threading.active_count(),
    )

before = state()
for name in {names!r}:
    importlib.import_module(name)
after = state()
print(json.dumps([key for key in before if before[key] != after[key]]))
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert json.loads(result.stdout) == []


def test_no_module_acts_when_it_is_imported() -> None:
    acting = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        for node in module.tree.body
        if isinstance(node, ast.For | ast.While | ast.With | ast.Delete)
        or (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant))
    ]
    assert acting == []


def test_every_module_has_a_docstring() -> None:
    assert [module.name for module in modules() if not ast.get_docstring(module.tree)] == []


def test_no_file_is_too_long() -> None:
    assert {name: size for name, size in _sizes().items() if size > MAX_LINES} == {}


def test_a_short_file_has_a_reason() -> None:
    short = {name.partition(".")[2] for name, size in _sizes().items() if size < MIN_LINES}
    assert short == SHORT_FILES.keys()
    assert all(SHORT_FILES.values())


def test_a_newcomer_finds_nine_of_ten_features_by_file_name() -> None:
    """The ten features, as chosen before files were renamed.

    MASE, test split, learning-rate schedule, model file, duplicate timestamps, metric table on screen, delimiter
    detection, day/month order, best checkpoint on validation, ensemble weights.
    """
    files = {module.path.relative_to(PACKAGE).as_posix(): module.source for module in modules()}
    missed = [
        feature
        for feature, (name, text) in FEATURES.items()
        if not any(re.fullmatch(name, path) and re.search(text, source) for path, source in files.items())
    ]
    assert len(FEATURES) == 10
    assert len(missed) <= 1, missed


def test_no_function_is_too_long() -> None:
    sizes = {
        f"{module.name}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module in modules()
        for node in functions(module.tree)
    }
    assert {name: size for name, size in sizes.items() if size > MAX_LINES_PER_FUNCTION} == {}


def test_no_function_takes_too_many_parameters() -> None:
    counts = {
        f"{module.name}:{node.name}": len(_parameters(node))
        for module in modules()
        for node in functions(module.tree)
        if module.part != "cli"  # a parameter of a command is a flag of the command line
    }
    assert {name: count for name, count in counts.items() if count > MAX_PARAMETERS} == {}


def test_user_input_is_never_checked_by_assert() -> None:
    asserting = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assert)
    ]
    assert asserting == []


def test_no_error_is_swallowed() -> None:
    swallowing = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
        and all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body)
    ]
    assert swallowing == []


def test_no_code_is_loaded_from_a_file() -> None:
    dangerous = {"pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle"}
    loading = [
        f"{module.name}:{line} imports {name}"
        for module in modules()
        for line, name in imports(module.tree)
        if name.split(".")[0] in dangerous or name in ("torch.load", "torch.jit.load")
    ]
    calls = [
        f"{module.name} has {words}"
        for module in modules()
        for words in ("torch.load(", "allow_pickle=True")
        if words in module.source
    ]
    assert loading + calls == []


def _sizes() -> dict[str, int]:
    return {module.name: module.source.count("\n") for module in modules() if module.path.name != "__init__.py"}


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]


def _part_of(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] != "rnnforecast":
        return None
    if len(parts) > 1 and ((PACKAGE / parts[1]).is_dir() or (PACKAGE / f"{parts[1]}.py").is_file()):
        return parts[1]
    return "rnnforecast"


def _is_below(module: Module, part: str) -> bool:
    return part == module.part or LAYERS[part] < LAYERS[module.part] or (LAYERS[part], LAYERS[module.part]) == (0, 0)


def _is_outside(name: str) -> bool:
    top = name.split(".")[0]
    return top not in ("rnnforecast", "__future__") and top not in sys.stdlib_module_names


def _module_of(name: str, names: set[str]) -> str:
    """Return the module that `import name` runs: `a.b` for `from a.b import something`."""
    return name if name in names else name.rpartition(".")[0]


def _circles(graph: dict[str, set[str]]) -> Iterator[str]:
    """Yield the modules that are left when all that import nothing left, or are imported by nothing left, are gone."""
    left = {name: needs & graph.keys() for name, needs in graph.items()}
    while True:
        needed = set().union(*left.values())
        gone = [name for name, needs in left.items() if not needs or name not in needed]
        if not gone:
            break
        for name in gone:
            del left[name]
        for needs in left.values():
            needs.difference_update(gone)
    yield from sorted(left)


def _imported_by(code: str) -> list[str]:
    """Return the heavy packages that a fresh interpreter has loaded after running code."""
    result = run_python(f"{code}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])")
    assert result.returncode == 0, result.stderr
    loaded = ast.literal_eval(result.stdout.splitlines()[-1])
    assert isinstance(loaded, list)
    return loaded
