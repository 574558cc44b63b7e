"""Where settings come from: flags over a TOML file over the choices of the tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnnforecast.config import Settings


def load_settings(flags: Mapping[str, object], *, config: str | None = None) -> Settings:
    """Build settings; a flag that was given (is not None) beats the file.

    Raises UsageError for a file that cannot be read, and one that names every unknown key and bad value at once.
    """
    from rnnforecast.config import Settings

    chosen: dict[str, object] = {}
    if config is not None:
        chosen = _read_toml(Path(config))
        Settings.from_flat(chosen, source=config)
    given = {key: value for key, value in flags.items() if value is not None}
    return Settings.from_flat({**chosen, **given}, source="the settings")


def _read_toml(path: Path) -> dict[str, object]:
    import tomllib

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(
            f"configuration file {path} cannot be read: {error.strerror or error}",
            hint="name a TOML file with --config, or leave the flag out",
            code="E_RUN_CONFIG",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"configuration file {path} is not TOML: {error}",
            hint='write one `key = value` a line, such as `horizon = 12` or `target = "close"`',
            code="E_RUN_CONFIG",
        ) from error
