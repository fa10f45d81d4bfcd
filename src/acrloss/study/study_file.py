"""A study: the same training with several losses or settings and several seeds, as one file says.

```yaml
data: 300w                  # one source of `acrloss train --data`, or several by name: {300-W: 300w, YTF: ytf68}
settings: {epochs: 20, crop: {size: 64}}         # options of `acrloss train` that all runs share
methods:                                         # name: the options in which it differs; the first is compared with
  ACR: {loss: acr}
  L2: {loss: l2}
  Wing at 112 px: {loss: wing, loss_options: {unit: 112}}
seeds: [0, 1, 2]
score: val                  # "val" (the default: choose on it) or "test" (once, at the end)
```

A run is known by the hash of all that determines it, so that runs are shared between studies of one folder, an edited
study makes only what is new, and an interrupted one goes on where it was.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.losses.table import versioned
from acrloss.progress_hook import Progress, no_progress
from acrloss.study.one_training import reading_of
from acrloss.training.data_fingerprint import one_fingerprint
from acrloss.yaml_file import read_yaml

_KEYS = ("data", "settings", "methods", "seeds", "score")
# What the study itself sets.
_OWN = ("data", "output", "seed", "score", "resume", "config", "threads")


@dataclass(frozen=True, eq=False)
class Run:
    """One training of a study.

    Attributes:
        data, method, seed: which one; the names in the study file.
        source: where the data is on this machine.
        options: those of `acrloss train`, but for the data and the output.
        fingerprint: of the data (`acrloss.training.data_fingerprint`); None where it is not on this machine.
        listing: hash of the names and sizes of the data's files, by which versions before knew it.
        folder: where it is trained.
    """

    data: str
    method: str
    seed: int
    source: str
    options: Mapping[str, Any]
    fingerprint: str | None
    listing: str | None
    folder: Path

    def is_on(self, fingerprint: str | None) -> bool:
        """Whether figures with this fingerprint are of its data, as far as can be told here."""
        return self.fingerprint is None or fingerprint in (self.fingerprint, self.listing)

    @property
    def key(self) -> str:
        """What identifies it, wherever its data lies."""
        return run_key(self.data, self.options)

    @property
    def done(self) -> bool:
        """Whether it was trained and scored here."""
        return (self.folder / "done.json").is_file()

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.data}, {self.method}, seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """What a study file says.

    Attributes:
        name: the file's, without its suffix.
        score: which faces the networks are scored on: "val" or "test".
        runs: all of them, by data, then seed, then method.
        text: the file.
    """

    name: str
    score: str
    runs: tuple[Run, ...]
    text: str

    @property
    def methods(self) -> list[str]:
        """In the file's order; the others are compared with the first."""
        return list(dict.fromkeys(run.method for run in self.runs))

    @property
    def data(self) -> list[str]:
        """Names of the data sets, in the file's order."""
        return list(dict.fromkeys(run.data for run in self.runs))


def read_study(path: str | Path, folder: Path, progress: Progress = no_progress) -> Study:
    """Read a study file, and the annotations of its data where that is at hand.

    Args:
        path: the YAML file.
        folder: of the results.
        progress: wraps the iterators over faces, for progress bars.

    Raises:
        DataError: it is no study, and the message names the key; or its data cannot be read.
    """
    path = Path(path)
    content = read_yaml(path, "a study")
    for key in content:
        if key not in _KEYS:
            raise DataError(f"{path}: unknown key {key!r}; a study has {', '.join(_KEYS)}")
    for key in ("data", "methods"):
        if not content.get(key):
            raise DataError(f"{path}: key {key!r} is missing")
    data = content["data"] if isinstance(content["data"], dict) else {str(content["data"]): content["data"]}
    methods, settings = content["methods"], content.get("settings")
    settings = {} if settings is None else settings
    seeds, score = content.get("seeds", [0, 1, 2]), content.get("score", "val")
    if not all(isinstance(source, str) for source in data.values()):
        raise DataError(f"{path}: key 'data' is a source of faces, or maps names to sources, as in {{300-W: 300w}}")
    if not isinstance(methods, dict) or not all(isinstance(v, dict | None) for v in methods.values()):
        raise DataError(f"{path}: key 'methods' maps names to options of acrloss train, as in ACR: {{loss: acr}}")
    if not isinstance(settings, dict):
        raise DataError(f"{path}: key 'settings' maps options of acrloss train to values")
    if not isinstance(seeds, list) or not seeds or not all(type(s) is int and s >= 0 for s in seeds):
        raise DataError(f"{path}: key 'seeds' is a list of whole numbers, not {seeds!r}")
    if score not in ("val", "test"):
        raise DataError(f"{path}: key 'score' is val or test, not {score!r}")
    for name, options in {"settings": settings, **methods}.items():
        for key in options or {}:
            if key.split(".")[0] in _OWN:
                raise DataError(f"{path}: {name}: {key!r} is the study's own matter; leave it out")
    settings = _nested(settings)
    methods = {method: _nested(options or {}) for method, options in methods.items()}
    runs = []
    fingerprints: dict[str, str] = {}
    for source_name, source in data.items():
        # As the shell does for the command line.
        source = str(Path(source).expanduser()) if source.startswith("~") else source
        listing = _listing(source, folder)
        for seed in dict.fromkeys(seeds):
            for method, options in methods.items():
                merged = _merge(settings, options)
                # "acr" may mean another loss in the next version; a run is known by what it was.
                loss = merged.get("loss", "acr")
                merged |= {"loss": versioned(loss) if isinstance(loss, str) else loss, "seed": seed, "score": score}
                fingerprint = None
                try:
                    how = reading_of(merged)
                except DataError as error:
                    raise DataError(f"{path}: {method}: {error}") from error
                if listing is not None:
                    known_as = json.dumps([source, how], sort_keys=True, default=str)
                    if known_as not in fingerprints:
                        fingerprints[known_as] = _fingerprint(path, source, how, progress)
                    fingerprint = fingerprints[known_as]
                key = run_key(source_name, merged)
                former, place = (folder / "runs" / f"{key}-{(one or 'absent')[:8]}" for one in (listing, fingerprint))
                # Begun by a version before, which knew the data by its listing.
                place = former if _is_there(former) and not _is_there(place) else place
                runs.append(Run(source_name, method, seed, source, merged, fingerprint, listing, place))
    return Study(path.stem, score, tuple(runs), path.read_text(encoding="utf-8"))


def run_key(data: str, options: Mapping[str, Any]) -> str:
    """The hash of the data's name and the options, seed included."""
    return hashlib.sha256(json.dumps([data, options], sort_keys=True, default=str).encode()).hexdigest()[:16]


def _merge(settings: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` laid over `settings`, mappings within too."""
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in settings.items()}
    for key, value in options.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with a.b: 1 as a: {b: 1}, so that both ways to write one are one."""
    nested: dict[str, Any] = {}
    for key, value in options.items():
        first, _, rest = key.partition(".")
        nested = _merge(nested, {first: _nested({rest: value})} if rest else {key: value})
    return nested


def _fingerprint(path: Path, source: str, reading: Mapping[str, Any], progress: Progress) -> str:
    """Changes when the data does: of the faces as the run will read them."""
    try:
        annotations = read_annotations(
            source, reading["format"], reading["scheme"], progress=progress, **reading["data_options"]
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return one_fingerprint(annotations)


def _listing(source: str, output: Path) -> str | None:
    """The hash of the names and sizes of all files of the data; None where there are none here.

    What lies in `output` is no data, even where that is a folder of the data's.
    """
    path = Path(source)
    if not _is_there(path):
        # Synthetic faces are made anew from what their name says.
        return hashlib.sha256(source.encode()).hexdigest() if source.startswith("synthetic") else None
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    if output.absolute().is_relative_to(path.absolute()):
        files = [p for p in files if not p.absolute().is_relative_to(output.absolute())]
    listing = "\n".join(f"{p.relative_to(path)} {p.stat().st_size}" for p in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # what no file can be called
        return False
