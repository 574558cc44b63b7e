"""M4 hourly, 414 series in one network, no settings but the horizon of the competition: OWA by the organisers' formula.

sMAPE: mean of 200 |y - f| / (|y| + |f|); MASE: mean of |y - f| over the series' in-sample mean |y_t - y_{t-24}|;
OWA: mean of the two after each was divided by the value of Naive2. Means over all series and steps.
"""

from __future__ import annotations

import tempfile

import pandas as pd
from publish import make_parser, publish

import rnnforecast

HORIZON = 48
SEASON_LENGTH = 24


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = options.data / "m4_hourly"
    known = pd.read_parquet(folder / "train.parquet").sort_values(["unique_id", "ds"])
    test = pd.read_parquet(folder / "test.parquet")
    with tempfile.TemporaryDirectory() as store:
        settings = rnnforecast.Settings.from_flat({"horizon": HORIZON, "seed": options.seed})
        trained = rnnforecast.train([folder / "train.parquet"], settings, store=store)
        frame = rnnforecast.predict(trained.model, store=store).frame
    scale = in_sample_scale(known)
    ours = score(test, frame.rename(columns={"forecast": "yhat"}), scale)
    others = {name: score(test, forecast, scale) for name, forecast in published_forecasts(folder, test).items()}
    naive2 = others["Naive2"]
    rows = [row("rnnforecast", ours, naive2, seconds=f"{trained.seconds:.1f}")]
    rows += [row(name, scores, naive2) for name, scores in others.items()]
    chosen = {key: trained.assumptions[key] for key in ("freq", "season_length", "horizon", "n_series", "n_rows")}
    sizes = {(member["cell"], member["num_layers"], member["hidden_size"]) for member in trained.members}
    shape = ", ".join(f"{layers} layers of {cell} {hidden}" for cell, layers, hidden in sorted(map(tuple, sizes)))
    outcome = trained.verdict["outcome"] if trained.verdict else "none"
    notes = [
        f"Assumed: {', '.join(f'{key} {value}' for key, value in chosen.items())}. {len(trained.members)} networks "
        f"({shape}), {trained.settings.get('num_steps')} steps each. Verdict on its own held-out rows: {outcome}.",
        "Seconds of training, judging and fitting once more. OWA must be under 0.50 in under 60 s on 2 cores.",
    ]
    header = ("method", "sMAPE", "MASE", "OWA", "seconds of training")
    publish("m4_hourly", header, rows, notes=notes, dry_run=options.dry_run)


def in_sample_scale(known: pd.DataFrame) -> pd.Series[float]:
    """Return the mean absolute seasonal difference of each series."""
    difference = known.groupby("unique_id").y.diff(SEASON_LENGTH).abs()
    return difference.groupby(known.unique_id).mean()


def published_forecasts(folder: object, test: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the organisers' benchmarks, with the steps they are for."""
    published = pd.read_parquet(f"{folder}/reference_forecasts.parquet")
    first = test.groupby("unique_id").ds.min()
    published["ds"] = published.h.astype("int64") - 1 + published.unique_id.map(first)
    wanted = ("Naive", "Naive2", "sNaive", "SES")
    return {str(name): frame for name, frame in published.groupby("model") if name in wanted}


def score(test: pd.DataFrame, forecast: pd.DataFrame, scale: pd.Series[float]) -> tuple[float, float]:
    """Return sMAPE and MASE; every test point must be forecast."""
    joined = test.merge(
        forecast[["unique_id", "ds", "yhat"]], on=["unique_id", "ds"], how="left", validate="one_to_one"
    )
    if joined.yhat.isna().any():
        raise SystemExit(f"{int(joined.yhat.isna().sum())} test points have no forecast")
    error = (joined.y - joined.yhat).abs()
    smape = 200 * error / (joined.y.abs() + joined.yhat.abs())
    return float(smape.mean()), float((error / joined.unique_id.map(scale)).mean())


def row(name: str, scores: tuple[float, float], naive2: tuple[float, float], *, seconds: str = "") -> list[str]:
    """Return the row of one method."""
    owa = (scores[0] / naive2[0] + scores[1] / naive2[1]) / 2
    return [name, f"{scores[0]:.3f}", f"{scores[1]:.3f}", f"{owa:.3f}", seconds]


if __name__ == "__main__":
    main()
