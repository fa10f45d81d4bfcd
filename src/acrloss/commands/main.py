"""The command line: `acrloss COMMAND …`, one module in `acrloss.commands` for each command.

jsonargparse types and checks every option; each command also takes `--config FILE` and `--print_config`.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from acrloss.commands.mistakes import check_names, configurations, explain
from acrloss.commands.terminal import notes, out, use_any_encoding
from acrloss.errors import DataError
from acrloss.suggestions import did_you_mean

COMMANDS = {
    "train": "train a network on annotated faces, score it and write its report",
    "evaluate": "score a trained network, or anybody's predictions, on annotated faces",
    "report": "compare runs and prediction files on one page",
    "compare": "train losses or settings side by side with several seeds, and compare them",
    "predict": "find faces and their landmarks in photographs or a video",
    "models": "list the models that come with the package",
    "export": "write a network as ONNX, TorchScript or OpenVINO",
    "explore": "draw the shape model, Φ and the loss curves of a data set",
    "augment": "draw a sheet of augmented training faces",
    "synthesize": "write a folder of synthetic faces with exact landmarks",
    "data check": "look a data set over: duplicates, swapped sides, unusual shapes and more",
    "data convert": "write a data set in another format",
    "data flip": "find the flip pairs of your own landmark layout and write its scheme",
    "data pack": "cut faces out of their photographs once, for faster training",
    "data split": "hold out test and validation faces that share no person and no picture",
    "demo": "train on synthetic faces with ACR loss and with L2, and compare",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0, 1 where some of the work failed, 2 after input that the user can mend (one line says how),
        130 after Ctrl-C.
    """
    use_any_encoding()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        _overview()
        return 0
    if given[0] == "--version":
        from acrloss import __version__

        out.print(__version__)
        return 0
    parts = [command.partition(" ")[2] for command in COMMANDS if command.startswith(f"{given[0]} ")]
    if parts and (len(given) == 1 or given[1].startswith("-")):
        return _fail(f"acrloss {given[0]} needs one of {', '.join(parts)}")
    # Some commands have two words: "data check".
    words = 2 if parts else 1
    name = " ".join(given[:words])
    if name not in COMMANDS:
        meant = did_you_mean(name, COMMANDS) or did_you_mean(" ".join(given[:2]), COMMANDS)
        return _fail(f"unknown command {name!r}{meant or '; see acrloss --help'}")
    warnings.showwarning = _warn
    try:
        command = importlib.import_module(f"acrloss.commands.{name.replace(' ', '_')}")
        status = command.run(_parse(name, command, given[words:]))
    except (DataError, ValueError) as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("acrloss"):
            raise
        missing = (error.name or str(error)).partition(".")[0]
        extra = {"predict": "predict", "models": "predict", "export": "export"}.get(name, "train")
        return _fail(f"acrloss {name} needs {missing}, which is not installed; pip install 'acrloss[{extra}]'")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (acrloss … | head): stop quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(status or 0)


def _overview() -> None:
    out.print("usage: acrloss COMMAND [options]\n\nFace landmark regression with ACR loss.\n", markup=False)
    for name, what in COMMANDS.items():
        out.print(f"  {name:<14}{what}")
    out.print("\nacrloss COMMAND --help explains a command; acrloss --version tells the version.")


def _fail(message: str) -> int:
    notes.print("error: " + " ".join(message.split()), style="red", markup=False, soft_wrap=True)
    return 2


def _warn(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    # Libraries warn their developers; only what we say ourselves is for the user.
    if category is UserWarning and str(message).startswith("acrloss"):
        notes.print(f"warning: {message!s}", style="yellow", markup=False, soft_wrap=True)


def _parse(name: str, command: Any, given: Sequence[str]) -> Any:
    """The command's typed options; an unknown one is answered with the nearest."""
    from jsonargparse import ActionConfigFile, ArgumentError, ArgumentParser

    # An abbreviation would be another option in the next version.
    parser = ArgumentParser(
        prog=f"acrloss {name}", description=command.__doc__, exit_on_error=False, allow_abbrev=False
    )
    parser.add_argument("--config", action=ActionConfigFile, help="a YAML file with any of these options")
    command.add_arguments(parser)
    options = [option for action in parser._actions for option in action.option_strings]
    files = list(configurations(given, options))
    for path, group in files:
        check_names(path, group, options, parser.get_defaults())
    try:
        return parser, parser.parse_args(given)
    except ArgumentError as error:
        raise DataError(
            f"{explain(str(error), given, options, [path for path, _ in files])} (acrloss {name} --help)"
        ) from None
