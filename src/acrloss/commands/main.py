"""The command line: `acrloss COMMAND …`, one module in `acrloss.commands` for each command.

jsonargparse types and checks every option; each command also takes `--config FILE` and `--print_config`.
"""

import difflib
import importlib
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from acrloss.commands.terminal import notes, out
from acrloss.errors import DataError

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
    "demo": "train on synthetic faces with ACR loss and with L2, and compare",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0, 1 where some of the work failed, 2 after input that the user can mend (one line says how),
        130 after Ctrl-C.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        _overview()
        return 0
    if given[0] == "--version":
        from acrloss import __version__

        out.print(__version__)
        return 0
    # Some commands have two words: "data check".
    words = 2 if any(command.startswith(f"{given[0]} ") for command in COMMANDS) else 1
    name = " ".join(given[:words])
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "see acrloss --help"
        if words == 2 and len(given) == 1:
            hint = f"give one of {', '.join(command for command in COMMANDS if command.startswith(f'{given[0]} '))}"
        return _fail(f"unknown command {name!r}; {hint}")
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
    files = list(_configurations(given, options))
    for path, group in files:
        _check_names(path, group, options)
    try:
        return parser, parser.parse_args(given)
    except ArgumentError as error:
        for word in (word.split("=")[0] for word in given):
            if word.startswith("--") and word not in options and word in str(error):
                raise DataError(
                    f"unknown option {word}{_nearest(word, options)} (acrloss {name} --help lists them)"
                ) from None
        # 'Parser key "epochs": Expected a <class 'int'>' is jsonargparse's view, not the user's.
        message = re.sub(r'Parser key "([\w.]+)":', r"--\1:", str(error))
        message = re.sub(r"<class '(\w+)'>", r"\1", message)
        named = re.match(r"--[\w.]+", message)
        if len(files) == 1 and named and not any(word.split("=")[0] == named[0] for word in given):
            message = f"{files[0][0]}: {message}"
        raise DataError(f"{message} (acrloss {name} --help)") from None


def _configurations(given: Sequence[str], options: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """The configuration files that are named, each with the group of options that it is of ("" for --config)."""
    for word, following in zip(given, [*given[1:], ""], strict=True):
        option, equals, value = word.partition("=")
        value = value if equals else following
        group = option.removeprefix("--")
        if not value:
            continue  # jsonargparse says what is missing
        if option == "--config":
            yield Path(value), ""
        elif option in options and any(other.startswith(f"{option}.") for other in options):
            yield Path(value), f"{group}."


def _check_names(path: Path, group: str, options: Sequence[str]) -> None:
    """Refuse a configuration that is none, or has a name that is no option.

    Raises:
        DataError: names the file, and the nearest option.
    """
    from acrloss.yaml_file import read_yaml

    groups = {option.rpartition(".")[0] for option in options if "." in option}

    def check(values: dict[str, Any], before: str) -> None:
        for key, value in values.items():
            option = f"--{before}{key}"
            if option not in options and option not in groups:
                raise DataError(f"{path}: unknown option {before}{key}{_nearest(option, options).replace('--', '')}")
            if option in groups:
                if not isinstance(value, dict):
                    raise DataError(
                        f"{path}: {before}{key} is a group of options, as in {key}: {{...: ...}}, not {value!r}"
                    )
                check(value, f"{before}{key}.")

    check(read_yaml(path, "a configuration"), group)


def _nearest(word: str, options: Sequence[str]) -> str:
    """ "; did you mean --optim.learning_rate?" for --learning_rate, --lr and the like; "" where nothing is near."""
    for option in options:
        last = option.rpartition(".")[2].removeprefix("--")
        initials = "".join(part[0] for part in last.split("_")) if "_" in last else ""
        if word.removeprefix("--") in (last, initials):
            return f"; did you mean {option}?"
    near = difflib.get_close_matches(word, options, n=1)
    return f"; did you mean {near[0]}?" if near else ""
