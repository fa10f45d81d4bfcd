"""A command as one can type it, from what was parsed: how results are made again."""

import shlex
from pathlib import Path
from typing import Any

_NOT_RESULTS = ("help", "config", "print_config")


def command_line(name: str, parser: Any, values: Any) -> str:
    """The command that means the same: the words without an option's name, then options that are not their defaults."""
    defaults = parser.get_defaults()
    words, options = ["acrloss", *name.split()], []
    for action in parser._actions:
        value = values.get(action.dest)
        if action.dest in _NOT_RESULTS or value is None or value == defaults.get(action.dest):
            continue
        if not action.option_strings:
            words += [str(item) for item in (value if isinstance(value, list) else [value])]
        elif isinstance(value, bool):
            options.append(action.option_strings[0])
        elif isinstance(value, dict):
            options += [f"{action.option_strings[0]}.{key}={item}" for key, item in value.items()]
        else:
            options += [action.option_strings[0], *map(str, value if isinstance(value, list) else [value])]
    return shlex.join([*words, *options])


def in_this_folder(command: str) -> str:
    """The command with the folder that its paths are relative to, as two lines for a shell."""
    return f"cd {shlex.quote(str(Path.cwd()))}\n{command}"
