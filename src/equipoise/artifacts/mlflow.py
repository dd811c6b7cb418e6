"""A policy as a model of MLflow: the snapshot folder as its data, this module as its loader.

    MODEL/MLmodel            loader_module: equipoise.artifacts.mlflow, data: policy
    MODEL/policy/            the snapshot as it was; a changed byte is refused when it is loaded
    MODEL/requirements.txt   equipoise, at the version that wrote it

Nothing in it is pickled and nothing of it is code; it loads where mlflow-skinny and Equipoise are
installed.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from equipoise.artifacts.kinds import Artifact, read_artifact
from equipoise.core.errors import DataError, MissingExtra
from equipoise.core.frames import to_arrow
from equipoise.core.snapshot import Earlier, replacing
from equipoise.core.version import __version__

LOADER, DATA, MODEL = __name__, "policy", "MLmodel"
EARLIER_MODEL = Earlier("an earlier model of MLflow", lambda path: (path / MODEL).is_file())


class PolicyModel:
    """What MLflow calls.

    Parameters
    ----------
    artifact : Artifact
        Of a snapshot.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Assign every unit of a frame.

        Parameters
        ----------
        model_input : pandas.DataFrame, (n rows)
            Raw columns, as in the log; without the column of ids units are numbered.
        params : dict, optional
            None are taken.

        Returns
        -------
        pandas.DataFrame, (n rows)
            What each unit gets and why, as `equipoise score` writes it.
        """
        import pyarrow as pa

        table = to_arrow(model_input).combine_chunks()
        known = self.artifact.units.id in table.column_names
        artifact = self.artifact if known else self.artifact.numbered()
        return pa.Table.from_batches(list(artifact.batches(table.to_batches()))).to_pandas()


def _load_pyfunc(path: str) -> PolicyModel:
    """What MLflow looks for in a loader module: the model of its data folder."""
    return PolicyModel(read_artifact(path))


def export_mlflow(run: Path | str, out: Path | str) -> Path:
    """Write a run's policy as a model of MLflow.

    Parameters
    ----------
    run : path
        A run's folder, or the policy/ in it.
    out : path
        The model's folder; an earlier one is replaced.

    Returns
    -------
    Path
        The folder, for ``mlflow.pyfunc.load_model`` and ``mlflow models serve``.

    Raises
    ------
    DataError
        Where the run has no policy.
    MissingExtra
        Without mlflow-skinny.

    Examples
    --------
    >>> export_mlflow("equipoise-run", "model")  # doctest: +SKIP
    """
    folder = Path(run) / DATA if (Path(run) / DATA).is_dir() else Path(run)
    if not (folder / "manifest.json").is_file():
        fix = "give the folder of a run, as `equipoise run` wrote it"
        raise DataError("a run", "have a policy/", "none", str(run), fix)
    read_artifact(folder)  # whole, and of a kind that assigns units
    with replacing(Path(out), EARLIER_MODEL) as beside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's, of its own types
        _pyfunc().save_model(
            path=str(beside),
            loader_module=LOADER,
            data_path=str(folder),
            pip_requirements=[f"equipoise=={__version__}"],
            metadata={"equipoise": __version__},
        )
    return Path(out)


def _pyfunc() -> Any:
    """MLflow's module of models that are Python functions."""
    try:
        from mlflow import pyfunc
    except ImportError as error:
        fix = 'pip install "equipoise[mlflow]"'
        raise MissingExtra("the extra 'mlflow'", "be installed", str(error), fix=fix) from error
    return pyfunc
