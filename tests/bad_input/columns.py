"""Names of columns that clash, hide or are missing, and covariates that change."""

from __future__ import annotations

from tests.bad_input.harness import Case, daily, text_file

VALUES = [float(number) for number in range(30)]
ROWS = daily(range(30))


def _two(names: str) -> str:
    """Return daily rows of three columns under other names."""
    lines = ROWS.splitlines()
    return "\n".join([names, *(f"{line},{line.split(',')[1]}" for line in lines[1:])]) + "\n"


PANEL = "".join(
    f"{shop},2024-01-{day:02d},{day},{size}\n" for shop, size in (("a", 1), ("b", 2)) for day in range(1, 21)
)
PANEL = f"shop,date,y,size\n{PANEL}"
STATIC = {"id": ("shop",), "target": ("y",), "static": ("size",)}

CASES: tuple[Case, ...] = (
    Case(
        "duplicate and empty names",
        "a name twice",
        text_file(_two("date,y,y")),
        "refused",
        flags={"target": ("y",)},
        says=("`y`", "positions 2, 3"),
        column="y",
        fix=text_file(_two("date,y,z")),
        fixed_values=VALUES,
    ),
    Case(
        "duplicate and empty names",
        "a name twice that is not used",
        text_file(_two("date,y,z")),
        "accepted",
        flags={"target": ("y",)},
        values=VALUES,
    ),
    Case(
        "duplicate and empty names",
        "an empty name that is used",
        text_file(ROWS.replace("date,y", "date,")),
        "refused",
        says=("column 2", "no name"),
        fix={"target": ("Unnamed: 1",)},
        fixed_values=VALUES,
    ),
    Case(
        "duplicate and empty names",
        "an empty name that is not used",
        text_file(_two("date,y,")),
        "accepted",
        flags={"target": ("y",)},
        values=VALUES,
    ),
    Case(
        "duplicate and empty names",
        "hidden blanks in names",
        text_file(ROWS.replace("date,y", "date\u00a0,\u200by ")),
        "repaired",
        says=("`date`", "`y`"),
        values=VALUES,
    ),
    *(
        Case(
            "misspelled name",
            f"another {words}",
            text_file(ROWS.replace("date,y", f"date,{there}")),
            "refused",
            flags={"target": (asked,)},
            says=(f"no column `{asked}`", f"did you mean `{there}`"),
            column=asked,
            fix={"target": (there,)},
            fixed_values=VALUES,
        )
        for words, asked, there in (
            ("case", "Sales", "sales"),
            ("accent", "Cafe", "Caf\u00e9"),
            ("form of an accent", "Caf\u00e9", "Cafe\u0301"),
            ("letter", "slaes", "sales"),
        )
    ),
    *(
        Case(
            "common name",
            f"a target called {name}",
            text_file(ROWS.replace("date,y", f"date,{name}")),
            "accepted",
            flags={"target": (name,)},
            values=VALUES,
            reads={"target": [name]},
        )
        for name in ("y", "unique_id", "index", "level_0", "0", "select", "values", "forecast", "cutoff")
    ),
    Case("common name", "a time called ds", text_file(ROWS.replace("date,y", "ds,y")), "accepted", values=VALUES),
    Case(
        "common name",
        "ids called index",
        text_file(PANEL.replace("shop,date,y,size", "index,ds,y,level_0")),
        "accepted",
        flags={"id": ("index",), "target": ("y",)},
        reads={"num_series": 2, "id": ["index"]},
    ),
    Case(
        "static covariate",
        "a static covariate that changes",
        text_file(PANEL.replace("a,2024-01-07,7,1", "a,2024-01-07,7,5")),
        "refused",
        flags=STATIC,
        says=("`size`", "row 8", "`a`"),
        row=8,
        column="size",
        fix=text_file(PANEL),
    ),
)
