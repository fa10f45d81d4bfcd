"""The faces of many photographs, written: JSON, .pts and a picture for each, and all of them as one data set."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from acrloss.annotations import concatenate
from acrloss.arrays import Image
from acrloss.errors import DataError
from acrloss.formats import write_annotations
from acrloss.formats.pts import pts_text
from acrloss.formats.registry import WRITERS
from acrloss.images.encode import encode_png
from acrloss.prediction.faces import Faces
from acrloss.prediction.passed_over import PassedOver
from acrloss.prediction.result_names import face_prefixes, folded, result_names
from acrloss.prediction.results_folder import LEFT_OUT, LIST, ResultsFolder

_NUMBERED = re.compile(r"(.*_)\d+\.pts")


class PhotographResults:
    """Which results of which photograph go where: settled before any work, so that only what is ours is ever replaced.

    Attributes:
        files: the photographs, without `drawn`.
        drawn: pictures that we drew ourselves in an earlier run, into the folder that the photographs lie in.
        passed: what was passed over beside the photographs, without results of ours.
    """

    def __init__(
        self,
        files: Sequence[Path],
        folder: str | Path,
        format: str | None = None,
        passed: Sequence[PassedOver] = (),
    ) -> None:
        """
        Args:
            files: the photographs.
            folder: of the results.
            format: of the data set of all faces, which is a folder of that name; None for no such.
            passed: what else lies among the photographs, to be named in left_out.txt.

        Raises:
            DataError: the folder cannot be written, or a result would replace a photograph or a file that is not ours.
        """
        if format is not None and format not in WRITERS:
            raise DataError(f"format {format!r} cannot be written; give one of {', '.join(WRITERS)}")
        self._folder, self._format = ResultsFolder(folder), format
        pictures = [name for name in self._folder.names if name.endswith(".png")]
        ours = {(self._folder.folder / name).resolve() for name in pictures if self._folder.is_ours(name)}
        self.drawn = [path for path in files if path.resolve() in ours]
        written = {(self._folder.folder / name).resolve() for name in (*self._folder.names, LIST)}
        written |= {folder for file in written for folder in file.parents}
        self.passed = [one for one in passed if one.path.resolve() not in written]
        self.files = [path for path in files if path.resolve() not in ours]
        names = result_names(self.files)
        earlier = [name.removesuffix(".json") for name in self._folder.names if name.endswith(".json")]
        self._names = dict(zip(map(str, self.files), names, strict=True))
        self._prefixes = dict(zip(names, face_prefixes(names, earlier), strict=True))
        if format is not None and any(folded(name).startswith(f"{folded(format)}/") for name in names):
            raise DataError(
                f"a folder of photographs is called {format} as the data set would be; give another --output"
            )
        self._further = self._further_faces()
        claims = [f"{name}{suffix}" for name in names for suffix in (".json", ".pts", ".png")]
        claims += [name for further in self._further.values() for name in further]
        self._folder.claim([*claims, LEFT_OUT, *([] if format is None else [format])], self.files)

    def write(self, pixels: Image, faces: Faces) -> None:
        """Write the faces of one of the photographs; what an earlier run wrote of more faces in it is removed."""
        name = self._names[faces.image]
        prefix = self._prefixes[name]
        self._folder.write(f"{name}.json", json.dumps(faces.to_dict(), indent=1) + "\n")
        points = [f"{name}.pts" if i == 0 else f"{prefix}{i + 1}.pts" for i in range(len(faces))]
        for path, landmarks in zip(points, faces.landmarks, strict=True):
            self._folder.write(path, pts_text(landmarks))
        self._folder.write(f"{name}.png", encode_png(faces.draw(pixels)))
        for path in (f"{name}.pts", *self._further.get(folded(prefix), [])):
            if path not in points:
                self._folder.remove(path)

    def finish(self, found: Sequence[Faces], left_out: Sequence[str] = ()) -> list[str]:
        """Write the data set, if there is to be one, and left_out.txt, which names what was passed over, too; remove
        what an earlier run wrote of photographs that failed.

        Args:
            found: the faces of each photograph that could be read.
            left_out: a line for each of the others.

        Returns:
            A line for each thing that the data set cannot hold.

        Raises:
            DataError: no face was found that it could hold, or it cannot be written.
        """
        for image in self._names.keys() - {faces.image for faces in found}:
            name = self._names[image]
            further = self._further.get(folded(self._prefixes[name]), [])
            for path in (*(f"{name}{suffix}" for suffix in (".json", ".pts", ".png")), *further):
                self._folder.remove(path)
        drawn = [f"passed over: {path}: an earlier run drew it" for path in self.drawn]
        self._folder.list_left_out([*left_out, *map(str, self.passed), *drawn])
        notes = []
        if self._format is not None:
            parts = [faces.to_annotations() for faces in found if len(faces)]
            if not parts:
                raise DataError(f"no face was found, so there is none to write as {self._format}")
            self._folder.remove(self._format)
            notes = write_annotations(
                concatenate(parts),
                self._folder.folder / self._format,
                self._format,
                relative=True,
                faceless=[faces.image for faces in found if not len(faces)],
            )
            self._folder.adopt(self._format)
        self._folder.close()
        return notes

    def _further_faces(self) -> dict[str, list[str]]:
        """Prefix -> the .pts files in the folder that are called as those of a photograph's further faces are."""
        prefixes = set(map(folded, self._prefixes.values()))
        found: dict[str, list[str]] = {}
        for folder in {Path(name).parent for name in self._prefixes}:
            for path in (self._folder.folder / folder).glob("*_*.pts"):
                name = path.relative_to(self._folder.folder).as_posix()
                match = _NUMBERED.fullmatch(folded(name))
                if match and match[1] in prefixes:
                    found.setdefault(match[1], []).append(name)
        return found
