"""`doctor`: whether this installation can train, predict and store."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from rnnforecast.errors import RnnForecastError
from rnnforecast.inference.threads import num_cores
from rnnforecast.workflows.results import Check, DoctorResult

_PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "pydantic", "filelock", "typer", "rich")
_EXTRAS = {"statsforecast": "baselines", "vl-convert-python": "report"}
_OLDEST_PYTHON = (3, 11)


def doctor(store: str | Path | None = None) -> DoctorResult:
    """Check Python, packages, devices, threads, the store and the terminal; nothing is left behind."""
    own = f"{metadata.version('rnnforecast')} in {Path(__file__).resolve().parents[1]}"
    checks = [Check("rnnforecast", True, own), _check_python(), _check_packages(), _check_extras(), _check_torch()]
    return DoctorResult((*checks, _check_threads(), _check_store(store), _check_terminal()))


def _check_python() -> Check:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    ok = sys.version_info[:2] >= _OLDEST_PYTHON
    return Check("python", ok, detail, None if ok else "install Python 3.11 or newer")


def _check_packages() -> Check:
    found = {name: _version_of(name) for name in _PACKAGES}
    missing = [name for name, version in found.items() if version is None]
    detail = ", ".join(f"{name} {version or 'missing'}" for name, version in found.items())
    return Check("packages", not missing, detail, f"pip install {' '.join(missing)}" if missing else None)


def _check_extras() -> Check:
    parts = []
    for name, extra in _EXTRAS.items():
        version = _version_of(name)
        parts.append(f"{extra}: {f'{name} {version}' if version else 'not installed'}")
    return Check("extras", True, ", ".join(parts))


def _check_torch() -> Check:
    try:
        import torch
    except Exception as error:  # a broken build raises anything from ImportError to OSError
        return Check("torch", False, f"cannot be imported: {error}", "install torch again, as the README shows")
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return Check("devices", True, ", ".join(devices))


def _check_threads() -> Check:
    cores = num_cores()
    limit = os.environ.get("OMP_NUM_THREADS")
    return Check("threads", True, f"{cores} cores" + (f", OMP_NUM_THREADS={limit}" if limit else ""))


def _check_store(store: str | Path | None) -> Check:
    from rnnforecast.store.registry import Registry

    registry = Registry(store)
    existing = next((each for each in (registry.store, *registry.store.absolute().parents) if each.exists()), None)
    if existing is None or not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Check("store", False, f"{registry.store} cannot be written", "name another folder with --store")
    try:
        models = registry.list()
    except RnnForecastError as error:
        return Check("store", False, error.message, error.hint)
    damaged = [stored.label for stored in models if stored.problem is not None]
    if damaged:
        detail = f"{registry.store}: damaged model files ({len(damaged)}): {', '.join(damaged[:5])}"
        return Check("store", False, detail, "`rnnforecast models verify` names each problem")
    state = (
        f"{len(models)} stored {'model' if len(models) == 1 else 'models'}"
        if registry.store.exists()
        else "made by the first training"
    )
    return Check("store", True, f"{registry.store}, {state}")


def _check_terminal() -> Check:
    kind = "terminal" if sys.stdout.isatty() else "no terminal (plain text, no bars)"
    encoding = getattr(sys.stdout, "encoding", None) or "unknown encoding"
    colour = ", NO_COLOR set" if os.environ.get("NO_COLOR") else ""
    return Check("output", True, f"{kind}, {encoding}{colour}")


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
