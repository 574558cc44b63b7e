"""`rnnforecast tune`: search the settings of a network within a time budget."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View
from rnnforecast.options import STUDY, TRAIN_ON, TRAINING_FILES, TUNE_OPTIONS, TUNED_SETTINGS


def tune(
    view: View,
    flags: Mapping[str, object],
    data: list[str],
    config: str | None,
    trials: int | None,
    name: str | None,
    output: str | None,
    store: str | None,
    on: str | None,
    ray_address: str | None,
) -> None:
    """Search the settings of a network within a time budget, and test the best.

    The search covers cell, mapping, sizes, context, normalisation and learning rate; options that you give are fixed.
    Trials are scored on rolling windows before the test rows and stored: the same command resumes them. Then the best
    settings are compared with the default on the test rows.
    """
    import rnnforecast
    from rnnforecast.data.files.overwrite import check_outputs
    from rnnforecast.training.cluster import Cluster

    check_outputs({"--output": output}, [("the settings", config or "")])
    settings = load_settings(flags, config=config, allowed=TUNE_OPTIONS)
    cluster = Cluster.named(on, ray_address)
    with view.progress() as progress:
        result = rnnforecast.tune(
            data,
            settings,
            name=name,
            store=store,
            output=output,
            num_trials=trials,
            progress=progress,
            cluster=cluster,
        )
    view.show(result)


command = build_command(
    tune,
    TRAINING_FILES,
    STUDY,
    TUNED_SETTINGS,
    TRAIN_ON,
    settings=TUNE_OPTIONS,
    example="rnnforecast tune prices.csv --time-budget 10m --output tuned.toml",
)
