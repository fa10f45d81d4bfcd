"""Write what follows from the list of losses (`acrloss.losses.table`): the types, and the tables of the docs.

    python tools/list_losses.py          # after a line was added to the list

A table stands in a page between `<!-- losses -->` and `<!-- /losses -->`; a page without those is left alone.
"""

import re
from pathlib import Path

from acrloss.losses.create import create_loss, registered
from acrloss.losses.table import MODULES, exports, loss_names, newest_names
from acrloss.shapes.shape_model import ShapeModel

TOP = Path(__file__).parents[1]
STUB = TOP / "src/acrloss/losses/__init__.pyi"
PAGES = [TOP / "README.md", TOP / "docs/losses.md"]
_TABLE = re.compile(r"(?<=<!-- losses -->\n).*?(?=<!-- /losses -->)", re.DOTALL)


def stub() -> str:
    """The types of what `acrloss.losses` exports."""
    lines = ["# Written by tools/list_losses.py."]
    for name, module in sorted(exports().items(), key=lambda item: (item[1], item[0])):
        lines.append(f"from acrloss.losses.{module} import {name} as {name}")
    return "\n".join(lines) + "\n"


def table() -> str:
    """All losses as a Markdown table."""
    lines = ["| loss | the network gives | unit | |", "|---|---|---|---|"]
    newest = {module.newest: name for module in MODULES.values() for name in newest_names(module)}
    for name in (name for name in loss_names() if name not in newest.values()):
        loss = registered(name)
        preset = loss.preset(name)
        criterion = create_loss(name, _any_shape_model())
        about = preset.about + ("; needs a shape model" if preset.needs_shape_model else "")
        unit = criterion.unit if isinstance(criterion.unit, str) else f"{criterion.unit:g} to the crop"
        shown = f"`{newest[name]}`, today `{name}`" if name in newest else f"`{name}`"
        lines.append(f"| {shown} | (N, M, {criterion.channels}) | {unit} | {about} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with its table as it must be."""
    return _TABLE.sub(lambda _: table(), text)


def _any_shape_model() -> ShapeModel:
    import torch

    return ShapeModel.fit(torch.rand(8, 4, 2, generator=torch.Generator().manual_seed(0)))


def main() -> None:
    STUB.write_text(stub(), encoding="utf-8")
    for path in PAGES:
        if path.is_file():
            path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
