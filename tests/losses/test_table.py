"""The list of losses, the modules it names, and what is made from both agree."""

import importlib
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import acrloss
from acrloss import ShapeModel, create_loss, loss_names
from acrloss.losses.create import option_names, registered
from acrloss.losses.table import MODULES, exports, versioned
from acrloss.training.config import TrainConfig

TOP = Path(__file__).parents[2]
MODEL = ShapeModel.fit(np.random.default_rng(0).normal(0.5, 0.1, (60, 7, 2)))


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("list_losses", TOP / "tools" / "list_losses.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_list_names_what_is_in_the_modules() -> None:
    folder = TOP / "src" / "acrloss" / "losses"
    with_losses = {path.stem for path in folder.glob("*.py") if "\nLOSS = " in path.read_text(encoding="utf-8")}
    assert {module for module, listed in MODULES.items() if listed.names} == with_losses
    for name, listed in MODULES.items():
        module = importlib.import_module(f"acrloss.losses.{name}")
        if listed.names:
            loss = module.LOSS
            assert set(loss.presets or {listed.names}) == set(listed.names.split())
            assert all(loss.preset(one).about for one in listed.names.split())
            assert loss.kind.__name__ in listed.exports.split()
            assert loss.kind.__module__ == module.__name__
        for export in listed.exports.split():
            assert getattr(module, export).__module__ == module.__name__
            assert getattr(acrloss, export) is getattr(module, export)
        functions = {n for n, f in vars(module).items() if n.endswith("_loss") and f.__module__ == module.__name__}
        assert functions == {n for n in listed.exports.split() if n.endswith("_loss")}


def test_types_and_tables_are_written_anew() -> None:
    """After a change: python tools/list_losses.py."""
    made = tool()
    assert made.STUB.read_text(encoding="utf-8") == made.stub()
    page = (TOP / "docs" / "losses.md").read_text(encoding="utf-8")
    assert page == made.page(page)
    assert all(f"`{name}`" in page for name in loss_names())
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    assert readme == made.page(readme)


def test_the_root_hands_the_losses_on() -> None:
    names: dict[str, object] = {}
    exec("from acrloss import *", names)
    assert {*exports(), "ModeSchedule", "ShapeModel"} == names.keys() - {"__builtins__"}
    assert exports().keys() <= set(dir(acrloss))
    with pytest.raises(AttributeError, match="no attribute 'wing'"):
        acrloss.wing  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'wing_lss'"):
        getattr(acrloss.losses, "wing_lss")  # noqa: B009


def test_names_are_known_without_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import acrloss; dir(acrloss); acrloss.__all__; "
        "from acrloss import arrays; from acrloss.training.config import TrainConfig; "
        "from acrloss.losses.table import loss_names, versioned; print(*loss_names(), versioned('acr'))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [*loss_names(), "acr-3"]


def test_help_names_the_losses() -> None:
    (line,) = [line for line in (TrainConfig.__doc__ or "").splitlines() if line.lstrip().startswith("loss:")]
    assert f"one of {', '.join(loss_names())};" in line


def test_each_says_itself_what_it_needs() -> None:
    needy = set()
    for name in loss_names():
        loss = registered(name)
        try:
            create_loss(name)
        except ValueError as error:
            assert str(error) == f'loss "{name}" needs a shape_model'  # noqa: PT017
            needy.add(name)
        assert loss.preset(versioned(name)).needs_shape_model == (name in needy)
        criterion = create_loss(name, MODEL)
        assert criterion.has_schedule == ("schedule" in option_names(loss.kind))
        assert criterion.takes_difficulty == ("difficulty" in inspect.signature(criterion.forward).parameters)
    assert needy == {"acr-1", "acr-paper", "acr-control"}
    assert [name for name in loss_names() if create_loss(name, MODEL).has_schedule] == [
        *("acr", "acr-1", "acr-2", "acr-3", "acr-paper", "acr-control")
    ]


def test_options_of_the_base_are_handed_up() -> None:
    common = ["unit", "input_size", "eyes", "reduction"]
    assert option_names(registered("l1").kind) == common
    assert option_names(registered("wing").kind) == ["omega", "epsilon", *common]
    own = option_names(registered("acr-control").kind)
    assert own[:5] == ["schedule", "phi", "scale", "role", "rule"]
    assert own[-4:] == common
    assert len(set(own)) == len(own)
    with pytest.raises(TypeError, match="unexpected keyword argument 'units'"):
        acrloss.WingLoss(units=3.0)  # type: ignore[call-arg]
