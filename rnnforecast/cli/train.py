"""`rnnforecast train`: train, evaluate and store a model."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View
from rnnforecast.options import SETTINGS, TRAIN_ON, TRAINING_FILES, Activate


def train(
    view: View,
    flags: Mapping[str, object],
    data: list[str],
    config: str | None,
    require: str | None,
    name: str | None,
    activate: Activate,
    max_age: str | None,
    store: str | None,
    on: str | None,
    ray_address: str | None,
) -> None:
    """Train a model on a file, compare it with naive forecasts, and store it.

    Columns, frequency, season and horizon are detected and printed, with the flag that overrides each. Options without a
    default are chosen from the data. If the name exists, the model becomes its next version, and active unless it is
    significantly worse than the active one.
    """
    import rnnforecast
    from rnnforecast.training.cluster import Cluster

    settings = load_settings(flags, config=config)
    cluster = Cluster.named(on, ray_address)
    with view.progress() as progress:
        result = rnnforecast.train(
            data,
            settings,
            name=name,
            store=store,
            progress=progress,
            activate=activate,
            max_age=max_age,
            cluster=cluster,
        )
    view.show(result)
    if require == "win":
        result.require_win()


command = build_command(
    train,
    TRAINING_FILES,
    TRAIN_ON,
    settings=tuple(SETTINGS.values()),
    example="rnnforecast train prices.csv --horizon 30",
)
