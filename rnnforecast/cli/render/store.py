"""The screens of `models` and `doctor`."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from rnnforecast.cli.render.blocks import (
    NOTHING,
    Space,
    fit_columns,
    heading,
    number,
    quiet_table,
    safe,
    screen,
    shortened,
    under,
)
from rnnforecast.cli.render.metrics import (
    category_scores_block,
    metrics_block,
    order_methods,
    serving_advice,
    verdict_block,
)
from rnnforecast.cli.render.reading import assumptions_block
from rnnforecast.findings import plural
from rnnforecast.members import ENSEMBLE
from rnnforecast.workflows.results import DoctorResult, ModelResult, ModelsResult, ReportResult

#: Columns that a narrow screen leaves out, in this order.
_DISPENSABLE = ("target", "freq", "series", "horizon", "trained")
_TITLES = {
    "list": "stored",
    "verify": "verified",
    "export": "exported",
    "remove": "removed",
    "prune": "pruned",
    "promote": "promoted",
    "rollback": "active again",
}


@screen.register(ModelsResult)
def _models_screen(result: ModelsResult, space: Space) -> list[RenderableType]:
    title = heading(f"{plural(len(result.models), 'model')} {_TITLES[result.action]}", result.store)
    if not result.models:
        empty = "there are no older versions" if result.action == "prune" else "train one with `rnnforecast train DATA`"
        return [under(title, Text(empty))]
    return [under(title, _verified(result) if result.action == "verify" else _listed(result, width=space.width))]


def _listed(result: ModelsResult, *, width: int) -> RenderableType:
    rows = [_row(model) for model in result.models]
    columns = {name: [row.get(name, Text()) for row in rows] for name in _row({"model": ""})}
    for name in fit_columns(columns, width=width, dispensable=_DISPENSABLE):
        del columns[name]
    table = quiet_table([(name, "right" if name in ("horizon", "series", "MASE") else "left") for name in columns])
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    return table


def _row(model: Mapping[str, object]) -> dict[str, Text]:
    row = {
        "model": safe(shortened(str(model["model"])), "bold" if model.get("active") else ""),
        "": Text("active" if model.get("active") else "", style="green"),
    }
    if not model.get("ok", True):
        return row | {"verdict": Text("damaged", style="red")}
    return row | {
        "horizon": Text(str(model.get("horizon") or NOTHING)),
        "series": Text(str(model.get("num_series") or NOTHING)),
        "MASE": Text(number(model.get("mase"))),
        "verdict": _outcome(model),
        "trained": Text(str(model.get("created") or "")[:10], style="dim"),
        "freq": safe(model.get("freq") or NOTHING),
        "target": safe(shortened(_joined(model.get("target")))),
    }


@screen.register(ModelResult)
def _model_screen(result: ModelResult, space: Space) -> list[RenderableType]:
    manifest = result.manifest
    blocks: list[RenderableType] = [
        under(heading(result.model, str(manifest.get("created", ""))[:16].replace("T", " ")), _facts(result))
    ]
    assumptions = manifest.get("assumptions")
    if isinstance(assumptions, Mapping):
        blocks.append(assumptions_block(assumptions, {}))
    metrics, verdict = manifest.get("metrics"), manifest.get("verdict")
    if isinstance(metrics, Mapping) and metrics and manifest.get("categorical"):
        blocks.append(category_scores_block(metrics, heading("Test")))
    elif isinstance(metrics, Mapping) and metrics:
        blocks.append(metrics_block(metrics, title=heading("Test"), width=space.width, methods=order_methods(metrics)))
    if isinstance(verdict, Mapping):
        advice = serving_advice(verdict, str(manifest.get("served", ENSEMBLE)))
        blocks.append(verdict_block(verdict, advice=advice))
    return blocks


@screen.register(ReportResult)
def _report_screen(result: ReportResult, _space: Space) -> list[RenderableType]:
    about = f"{result.model}, {plural(result.num_series, 'series', 'series')}, {result.num_bytes / 1e6:.1f} MB"
    return [verdict_block(result.verdict), heading(f"Page written to {result.output}", about)]


@screen.register(DoctorResult)
def _doctor_screen(result: DoctorResult, _space: Space) -> list[RenderableType]:
    table = quiet_table([("", "left"), ("", "left"), ("", "fold")], header=False)
    for check in result.checks:
        mark = Text("ok", style="green") if check.ok else Text("failed", style="bold red")
        hint = f"\nhint: {check.hint}" if check.hint else ""
        table.add_row(Text(check.name, style="dim"), mark, safe(check.detail).append(hint))
    return [under(heading("All checks passed" if result.ok else "Some checks failed"), table)]


def _verified(result: ModelsResult) -> RenderableType:
    table = quiet_table([("", "left"), ("", "left"), ("", "fold")], header=False)
    for model in result.models:
        mark = Text("ok", style="green") if model["ok"] else Text("damaged", style="bold red")
        table.add_row(safe(model["model"]), mark, safe(model["problem"] or "", "dim"))
    return table


def _facts(result: ModelResult) -> RenderableType:
    manifest = result.manifest
    table = quiet_table([("", "left"), ("", "fold")], header=False)
    members = manifest.get("members")
    if isinstance(members, list | tuple):
        for member in [*members, *([one] if isinstance(one := manifest.get("categorical"), Mapping) else [])]:
            table.add_row(Text("network", style="dim"), safe(describe_member(member)))
    source = manifest.get("input")
    if isinstance(source, Mapping):
        table.add_row(Text("data", style="dim"), safe(_joined(source.get("paths"))))
        span = f"{source.get('first_timestamp')} to {source.get('last_timestamp')}"
        table.add_row(Text("rows", style="dim"), safe(f"{source.get('num_rows'):,}, {span}"))
    table.add_row(Text("file", style="dim"), safe(result.path))
    return table


def describe_member(member: Mapping[str, object]) -> str:
    """Return one line about a network: `gru, 2 layers of 64 units, context of 90 steps`."""
    is_pretrained = "season_class" in member
    parts = ["base (gru)" if is_pretrained else str(member.get("cell", "network"))]
    layers, size = member.get("num_layers"), member.get("hidden_size")
    if layers and size:
        parts.append(f"{plural(int(str(layers)), 'layer')} of {size} units")
    if member.get("context_length"):
        parts.append(f"context of {member['context_length']} steps")
    if member.get("mapping"):
        parts.append(str(member["mapping"]))
    return ", ".join(parts)


def _outcome(model: Mapping[str, object]) -> Text:
    outcome = str(model.get("outcome") or NOTHING)
    served = str(model.get("served") or ENSEMBLE)
    return safe(outcome if served == ENSEMBLE else f"{outcome}, serves {served}")


def _joined(value: object) -> str:
    return ", ".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value or "")
