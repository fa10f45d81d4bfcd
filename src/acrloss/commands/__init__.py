"""The commands of `acrloss`: each module has `add_arguments(parser)`, `run(parsed)` and its help as docstring."""
