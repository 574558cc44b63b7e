"""Results that others published for the sets of `accuracy.py`, each with where it stands; constants, nothing is run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One method on one set: the scores its source gives, None where it gives none."""

    method: str
    source: str
    smape: float | None = None
    mase: float | None = None
    owa: float | None = None
    wql: float | None = None
    mse: float | None = None


M4 = "M4 organisers' evaluation"
MONASH = "Monash archive, appendix, default settings"
NBEATS = "N-BEATS paper, table 14"
STUDY = "Hewamalage et al. 2021, table 5"
GIFT = "GIFT-Eval results"
SEGRNN_96 = "SegRNN repository, look-back 96"
SEGRNN_720 = "SegRNN repository, look-back 720"
LINEAR = "LTSF-Linear repository, look-back 336"

PANELS: dict[str, tuple[Published, ...]] = {
    "m4_hourly": (
        Published("ES-RNN (winner)", M4, 9.328, 0.893, 0.440),
        Published("Pawlikowski et al. (third)", M4, 9.611, 0.873, 0.444),
        Published("FFORMA (second)", M4, 11.506, 0.819, 0.484),
        Published("Theta", M4, 18.138, 2.455, 1.006),
        Published("RNN (organisers' benchmark)", M4, 14.698, 3.048, 1.036),
        Published("N-BEATS, 180 networks", "N-BEATS paper, table 13", 8.197),
        Published("DeepAR", GIFT, mase=3.530, wql=0.133),
        Published("PatchTST", GIFT, mase=1.400, wql=0.0390),
        Published("AutoARIMA", GIFT, mase=1.030, wql=0.0337),
    ),
    "m3_monthly": (
        Published("Theta", NBEATS, 13.85),
        Published("DOTM", NBEATS, 13.74),
        Published("N-BEATS, 180 networks", NBEATS, 13.11),
        Published("S2S GRU, best of the recurrent networks", STUDY, 14.11),
        Published("ETS", STUDY, 14.14),
        Published("DeepAR", MONASH, 15.74, 1.167),
        Published("TBATS", MONASH, mase=0.861),
        Published("Theta", MONASH, mase=0.864),
    ),
    "m3_yearly": (
        Published("Theta", NBEATS, 16.90),
        Published("DOTM", NBEATS, 15.94),
        Published("LGT, a recurrent network with ETS", NBEATS, 15.23),
        Published("N-BEATS, 180 networks", NBEATS, 15.93),
        Published("DeepAR", MONASH, 17.24, 3.508),
        Published("Theta", MONASH, mase=2.774),
    ),
    "tourism_monthly": (
        Published("ETS", STUDY, 19.02),
        Published("S2S GRU", STUDY, 19.50),
        Published("DeepAR", MONASH, 18.35, 1.409),
        Published("feed-forward network", MONASH, mase=1.382),
        Published("ETS", MONASH, mase=1.526),
    ),
    "nn5_daily": (
        Published("stacked LSTM, best of the recurrent networks", STUDY, 21.53),
        Published("ETS", STUDY, 21.57),
        Published("DeepAR", MONASH, 23.85, 0.919),
        Published("TBATS", MONASH, mase=0.858),
    ),
    "hospital": (
        Published("Theta", GIFT, mase=0.761, wql=0.0553),
        Published("AutoETS", GIFT, mase=0.770, wql=0.0532),
        Published("DeepAR", GIFT, mase=0.834, wql=0.0620),
        Published("DeepAR", MONASH, 17.45, 0.769),
    ),
}

#: (set, horizon) -> standardised mean squared errors.
LONG_HORIZONS: dict[tuple[str, int], tuple[Published, ...]] = {
    ("etth1", 96): (
        Published("SegRNN", SEGRNN_720, mse=0.351),
        Published("SegRNN", SEGRNN_96, mse=0.368),
        Published("PatchTST", SEGRNN_720, mse=0.375),
        Published("DLinear", SEGRNN_720, mse=0.381),
        Published("GRU", SEGRNN_720, mse=1.135),
        Published("DeepAR", SEGRNN_720, mse=1.097),
    ),
    ("etth1", 720): (
        Published("SegRNN", SEGRNN_96, mse=0.446),
        Published("SegRNN", SEGRNN_720, mse=0.466),
        Published("PatchTST", SEGRNN_720, mse=0.495),
        Published("DLinear", SEGRNN_720, mse=0.499),
        Published("GRU", SEGRNN_720, mse=1.089),
        Published("DeepAR", SEGRNN_720, mse=1.079),
    ),
    ("exchange_rate", 96): (
        Published("DLinear", LINEAR, mse=0.081),
        Published("last value repeated", LINEAR, mse=0.081),
        Published("LSTM", "Autoformer repository, look-back 96, last batch left out", mse=1.453),
    ),
}
