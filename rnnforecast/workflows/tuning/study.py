"""A search over the settings of a network, kept in an SQLite file: what is searched, and one trial after another.

Optuna, an optional package, proposes settings (tree-structured Parzen estimator) and ends trials that are behind the
median of the others after their first window.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from rnnforecast.errors import OutputError, RnnForecastError, UsageError, first_line, missing_extra
from rnnforecast.frozen import dataclass
from rnnforecast.store.files import check_no_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rnnforecast.config import NetworkSettings, TrainingSettings
    from rnnforecast.findings import JSONValue
    from rnnforecast.training.recipe import Recipe

#: Settings that are searched unless the user gives them, with their choices.
CHOICES: dict[str, tuple[JSONValue, ...]] = {
    "cell": ("gru", "lstm", "mingru"),
    "mapping": ("many-to-many", "encoder-decoder"),
    "num_layers": (1, 2),
    "hidden_size": (32, 64, 128),
    "normalisation": ("window", "last", "season"),
}
#: The context length is searched in these multiples of the usual one; the learning rate between these bounds.
CONTEXTS = (0.5, 1.0, 2.0)
LOWEST_RATE, HIGHEST_RATE = 1e-3, 1.5e-2
#: Trials before the median decides which later ones end early.
_FREE_TRIALS = 4
_FEWEST_FOR_IMPORTANCE = 6


@dataclass(frozen=True)
class Trial:
    """One set of settings and its loss: `state` is complete, pruned or failed."""

    number: int
    state: str
    loss: float | None
    settings: Mapping[str, JSONValue]


@dataclass(frozen=True)
class Space:
    """What is searched: choices by setting, and the context lengths and first settings that suit the data."""

    choices: Mapping[str, tuple[JSONValue, ...]]
    searches_rate: bool
    first: Mapping[str, JSONValue]

    @classmethod
    def of(cls, recipe: Recipe, network: NetworkSettings, training: TrainingSettings, *, longest: int) -> Space:
        """Return the space around the usual settings, without those that the user gave."""
        usual = recipe.members[0].model_dump(mode="json")
        length = int(usual["context_length"])
        lengths = tuple(sorted({min(max(2, round(length * factor)), longest) for factor in CONTEXTS}))
        every = {**CHOICES, "context_length": lengths}
        choices = {name: values for name, values in every.items() if getattr(network, name) is None}
        first = {name: usual[name] if usual[name] in values else values[0] for name, values in choices.items()}
        searches_rate = training.learning_rate is None
        if searches_rate:
            first["learning_rate"] = recipe.fit.learning_rate
        return cls(choices, searches_rate, first)


#: Returns what several settings lose in one window: None where nothing can be measured, an error where the fit fails.
Measure = Callable[[Sequence[Mapping[str, "JSONValue"]], int], "Sequence[float | RnnForecastError | None]"]


class Study:
    """The trials so far; `run` makes the next ones."""

    def __init__(self, path: Path, space: Space, *, data: str, seed: int) -> None:
        self._optuna = _import_optuna()
        self._space = space
        self.path = path
        check_no_link(path)
        with _quiet(), _readable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_plain(path)
            self._study = self._optuna.create_study(
                storage=self._storage(),
                study_name="tune",
                load_if_exists=True,
                sampler=self._optuna.samplers.TPESampler(seed=seed, n_startup_trials=_FREE_TRIALS),
                pruner=self._optuna.pruners.MedianPruner(n_startup_trials=_FREE_TRIALS),
            )
            known = self._study.user_attrs.get("data")
            if known != data and (known is not None or self._study.trials):
                raise UsageError(
                    f"the study {path} was made with other data, options or versions",
                    hint="name another study with --name, or remove the file to start again",
                    code="E_RUN_CONFIG",
                )
            self._study.set_user_attr("data", data)
            running = self._optuna.trial.TrialState.RUNNING
            for trial in self._study.get_trials(deepcopy=False, states=(running,)):
                self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)  # a run that was stopped
            self.num_before = len(self._study.trials)
            if not self.num_before:
                self._study.enqueue_trial(dict(space.first))

    def run(self, measure: Measure, *, num_windows: int, size: int = 1) -> None:
        """Measure the next `size` settings side by side; after each window those behind the other trials end.

        A trial whose fit fails counts as failed, but the error of the first trial, with the usual settings, is raised.
        """
        states = self._optuna.trial.TrialState
        with _quiet(), _readable(self.path):
            trials = {each.number: each for each in (self._study.ask() for _ in range(size))}
            running = {number: self._suggest(trial) for number, trial in trials.items()}
        losses: dict[int, list[float]] = {number: [] for number in trials}
        for window in range(num_windows):
            found = dict(zip(running, measure(list(running.values()), window), strict=True))
            with _quiet(), _readable(self.path):
                for number, loss in found.items():
                    state = None
                    if isinstance(loss, RnnForecastError):
                        if number == 0:
                            raise loss
                        state = states.FAIL
                    elif loss is not None:
                        losses[number].append(loss)
                        trials[number].report(_mean(losses[number]), window)
                        state = states.PRUNED if trials[number].should_prune() else None
                    if state is not None:
                        del running[number]
                        self._study.tell(number, state=state)
        with _quiet(), _readable(self.path):
            for number in running:
                self._study.tell(number, _mean(losses[number]))

    def _storage(self) -> Any:
        from sqlalchemy.pool import NullPool  # optuna needs it

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(self.path)  # in a URL, `?` or `{` in the path of the store would have a meaning

        # without a pool, no connection to the file stays open after a call
        return self._optuna.storages.RDBStorage("sqlite://", {"poolclass": NullPool, "creator": connect})

    def _suggest(self, trial: Any) -> dict[str, JSONValue]:
        settings: dict[str, JSONValue] = {
            name: trial.suggest_categorical(name, values) for name, values in self._space.choices.items()
        }
        if self._space.searches_rate:
            settings["learning_rate"] = trial.suggest_float("learning_rate", LOWEST_RATE, HIGHEST_RATE, log=True)
        return settings

    def trials(self) -> tuple[Trial, ...]:
        """Return all trials, the best first; those without a loss come last."""
        names = {"COMPLETE": "complete", "PRUNED": "pruned"}
        with _quiet(), _readable(self.path):
            found = [
                Trial(
                    number=trial.number + 1,
                    state=names.get(trial.state.name, "failed"),
                    loss=trial.value if trial.state.name == "COMPLETE" else None,
                    settings=self._checked(trial.params),
                )
                for trial in self._study.get_trials(deepcopy=False)
            ]
        return tuple(sorted(found, key=lambda trial: (trial.loss is None, trial.loss or 0.0, trial.number)))

    def _checked(self, settings: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
        """Return the settings of a trial; what is not searched here, such as a path, is not taken from a file."""
        for name, value in settings.items():
            is_rate = name == "learning_rate" and isinstance(value, float) and 0 < value < 1
            if not is_rate and value not in self._space.choices.get(name, ()):
                raise ValueError(f"a trial has a setting `{name}` that is not searched")
        return dict(settings)

    def importance(self) -> dict[str, float]:
        """Return the fraction of the differences in loss that each setting explains; empty with few trials.

        By PED-ANOVA (Watanabe, Bansal and Hutter 2023), from complete trials.
        """
        losses = [trial.loss for trial in self.trials() if trial.loss is not None]
        if len(losses) < _FEWEST_FOR_IMPORTANCE or max(losses) == min(losses):
            return {}
        with _quiet(), _readable(self.path):
            evaluator = self._optuna.importance.PedAnovaImportanceEvaluator()
            found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {str(name): float(value) for name, value in found.items()}


def _mean(losses: Sequence[float]) -> float:
    return sum(losses) / len(losses) if losses else 0.0


def _check_plain(path: Path) -> None:
    """Raise ValueError for a database with triggers or views, which would run statements of its author."""
    if path.exists():
        with closing(sqlite3.connect(path)) as connection:
            kinds = {kind for (kind,) in connection.execute("select type from sqlite_master")}
        if not kinds <= {"table", "index"}:
            raise ValueError("it has triggers or views, which no study has")


def _import_optuna() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import optuna
    except ImportError as error:
        raise missing_extra("`tune` needs", "optuna", "tune") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def _quiet() -> Iterator[None]:
    """Ignore the warnings of the package about its experimental parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise OutputError for a study that cannot be opened, written, or understood."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = str(error)
    except RnnForecastError:
        raise
    except Exception as error:
        is_theirs = type(error).__module__.partition(".")[0] in ("sqlalchemy", "optuna", "alembic")
        if not is_theirs and not isinstance(error, ValueError | LookupError | TypeError | AttributeError):
            raise
        reason = first_line(error)
    else:
        return
    raise OutputError(
        f"the study {path} cannot be used: {reason}",
        hint="name another study with --name, or remove the file to start again",
    )
