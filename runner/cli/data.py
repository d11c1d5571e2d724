"""Run `runner data prepare`: prepare datasets for the workers."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, DataDirOption, StoreOption, data_folder

app = typer.Typer(
    help="Prepare datasets for the workers.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _data() -> None:
    """Prepare datasets for the workers."""


def _complete_name(incomplete: str) -> list[str]:
    from jobs.data import names, weights_names

    return [name for name in (*names(), *weights_names()) if name.startswith(incomplete)]


@app.command("prepare")
def prepare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="Datasets, by their names in a grid, and weights:MODEL.",
            autocompletion=_complete_name,
        ),
    ],
    data_dir: DataDirOption = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Download datasets and build the cache that workers map, and download pretrained weights.

    What is already in the data folder is not downloaded again. A dataset
    that fails does not stop the others. The store remembers the first data
    folder, and later commands use it.

    \b
    Example:
      runner data prepare mnist cifar10 weights:resnet18 --data-dir ~/data
    """
    from artifacts.store import Store
    from jobs import data
    from runner.planning.data_folder import remember, remembered

    opened = Store(store)
    data_dir = data_folder(store, data_dir)
    if data_dir is not None and remembered(opened) is None:
        remember(opened, data_dir)
    failed = []
    for name in dict.fromkeys(names):
        output.say(f"{name}: preparing")
        try:
            bring = data.prepare_weights if data.are_weights(name) else data.prepare
            bring(name, data_dir, say=output.say)
        except data.DataError as error:
            output.error(f"{name}: {error}")
            failed.append(name)
    if failed:
        output.error(f"not prepared: {', '.join(failed)}")
        raise typer.Exit(1)
