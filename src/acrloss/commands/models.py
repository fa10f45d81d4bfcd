"""List the models that come with the package: what they find, how well, and under which terms."""

from typing import Any

from acrloss.commands.terminal import print_table, results_in
from acrloss.networks.model_files import FOLDER, model_card, model_names


def add_arguments(parser: Any) -> None:
    """There are none."""


def run(parsed: Any) -> None:
    rows = []
    for name in model_names():
        card = model_card(name)
        size = sum((FOLDER / file).stat().st_size for file in card["sha256"]) / 2**20
        rows.append([name, card["network"], card["scheme"], card["result"], f"{size:.1f}", card["licence"]])
    print_table("packaged models", ["name", "network", "landmarks", "result", "MiB", "licence"], rows, words=3)
    results_in(FOLDER)
