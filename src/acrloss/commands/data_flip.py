"""Find which landmarks of your own layout swap when a face is mirrored, from the mean of the faces, and write the
scheme file that --scheme takes, with a picture of the pairs beside it."""

from pathlib import Path
from typing import Any

from acrloss.commands.data_options import add_data_arguments, list_notes, read_data
from acrloss.commands.terminal import notes, out, results_in
from acrloss.errors import DataError

_FEW = 12  # so many faces, wherever they look, are told to be symmetric


def add_arguments(parser: Any) -> None:
    add_data_arguments(parser, positional=True)
    parser.add_argument("--name", type=str | None, default=None, help="name of the scheme; the file's if not given")
    parser.add_argument("--output", type=Path, default=Path("scheme.yaml"), help="the scheme file to write")


def run(parsed: Any) -> None:
    from acrloss.figures.shapes import flip_pairs
    from acrloss.figures.style import save_figure
    from acrloss.schemes import generic_scheme, get_scheme, save_scheme, scheme_names
    from acrloss.schemes.flip_pairs import propose_flip

    _, values = parsed
    path = Path(values.output)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise DataError(f"--output must be a .yaml file, as in --output scheme.yaml; not {path}")
    if path.exists():
        raise DataError(f"{path} exists; give another --output")
    given = get_scheme(values.scheme) if values.scheme not in (None, "generic") else None
    values.scheme = "generic"
    annotations = read_data(values)
    proposal = propose_flip(annotations.landmarks)
    scheme = generic_scheme(len(proposal.flip), proposal.flip, values.name or path.stem)
    if proposal.symmetric:
        out.print(f"{len(proposal.pairs)} pairs: " + " ".join(f"{a}-{b}" for a, b in proposal.pairs), soft_wrap=True)
        out.print(f"on the middle line: {' '.join(map(str, proposal.middle)) or 'none'}", soft_wrap=True)
    else:
        out.print(f"not symmetric: no flip pairs written ({_why_not(proposal)})", soft_wrap=True)
        notes.print("training does not mirror with this scheme", style="yellow", soft_wrap=True)
    doubts = list(dict.fromkeys(proposal.doubts.values()))
    for doubt in doubts if proposal.symmetric else doubts[:5]:
        notes.print(f"unsure: {doubt}" if proposal.symmetric else doubt, style="yellow", soft_wrap=True)
    if proposal.doubts and proposal.symmetric:
        notes.print(f"look at the picture and mend flip_pairs in {path} by hand", style="yellow", soft_wrap=True)
    known = [get_scheme(name) for name in scheme_names()] if given is None else [given]
    for other in known:
        if other.num_landmarks == scheme.num_landmarks:
            differing = [m for m in range(other.num_landmarks) if other.flip[m] != scheme.flip[m]]
            agrees = "has the same pairs" if not differing else f"pairs landmarks {differing[:10]} otherwise"
            notes.print(f"scheme {other.name} {agrees}", markup=False, soft_wrap=True)
    save_figure(path.with_suffix(".png"), flip_pairs(proposal.mean, proposal.flip, proposal.doubts))
    notes.print(f"picture: {path.with_suffix('.png')}", markup=False, soft_wrap=True)
    list_notes(annotations, path)
    results_in(save_scheme(scheme, path))


def _why_not(proposal: Any) -> str:
    from acrloss.schemes.mirror import MOST_ASYMMETRY

    if proposal.asymmetry <= MOST_ASYMMETRY:
        return "no landmark has a clear partner"
    few = f"; {proposal.num_faces} are few, more may show otherwise" if proposal.num_faces < _FEW else ""
    return (
        f"mirrored, they lie {proposal.asymmetry:.1f} standard deviations from how they are, and up to "
        f"{MOST_ASYMMETRY:.0f} counts as symmetric{few}"
    )
