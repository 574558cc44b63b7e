"""Settings of a command: flags override a TOML file, which overrides the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.errors import UsageError
from rnnforecast.options import Option

if TYPE_CHECKING:
    from rnnforecast.config import Settings


def load_settings(
    flags: Mapping[str, object], *, config: str | None = None, allowed: Sequence[Option] | None = None
) -> Settings:
    """Return settings; a flag that was given (is not None) overrides the file.

    Raises UsageError for a file that cannot be read, for unknown keys and invalid values, all at once, and for keys that are
    not `allowed` (default: all) because they would have no effect.
    """
    from rnnforecast.config import Settings
    from rnnforecast.grammars import read_toml

    chosen: dict[str, object] = {}
    if config is not None:
        hint = 'write one `key = value` per line, e.g. `horizon = 12` or `target = "close"`'
        chosen, _ = read_toml(Path(config), what="configuration file", hint=f"{hint}, or omit --config")
        Settings.from_flat(chosen, source=config)
        ignored = sorted(chosen.keys() - {option.name for option in allowed}) if allowed is not None else []
        if ignored:
            raise UsageError(
                f"configuration file {config}: {', '.join(f'`{key}`' for key in ignored)} would have no effect here",
                hint="leave them out",
                code="E_RUN_CONFIG",
            )
    given = {key: value for key, value in flags.items() if value is not None}
    return Settings.from_flat({**chosen, **given}, source="the settings")
