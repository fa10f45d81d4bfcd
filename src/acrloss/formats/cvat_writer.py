"""Writing CVAT for images 1.1, see `acrloss.formats.cvat`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from acrloss.annotations import Annotations
from acrloss.formats.fields.values import decimals
from acrloss.images import image_size

_LABEL = (
    "<label><name>{name}</name><color>#33ddff</color><type>{type}</type>"
    "<attributes>{attributes}</attributes>{more}</label>\n"
)
_ATTRIBUTE = (
    "<attribute><name>{name}</name><mutable>False</mutable><input_type>text</input_type>"
    "<default_value></default_value><values></values></attribute>"
)


def write_faces(folder: Path, annotations: Annotations, images: Sequence[str]) -> list[str]:
    """Write annotations.xml with a skeleton for each face, a box in its group, and the labels that CVAT needs.

    Args:
        folder: an existing folder.
        annotations: the faces.
        images: their images as the file shall name them; relative ones are relative to the folder.

    Returns:
        A line for each thing that could not be kept.
    """
    marks = annotations.scheme.num_landmarks
    attributes = "".join(_ATTRIBUTE.format(name=name) for name in ("person", "subsets"))
    labels = _LABEL.format(name="face", type="skeleton", attributes=attributes, more=_drawing(annotations))
    labels += _LABEL.format(name="face box", type="rectangle", attributes="", more="")
    for m in range(marks):
        labels += _LABEL.format(name=m, type="points", attributes="", more="<parent>face</parent>")
    pictures: dict[tuple[str, str], list[int]] = {}
    for i, image in enumerate(images):
        pictures.setdefault((image, annotations.splits[i]), []).append(i)
    with (folder / "annotations.xml").open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
        file.write(
            f"<meta><task><name>acrloss</name><size>{len(pictures)}</size><mode>annotation</mode>"
            f"<labels>\n{labels}</labels></task></meta>\n"
        )
        for number, ((image, split), members) in enumerate(pictures.items()):
            width, height = image_size(str(folder / image))
            subset = f" subset={quoteattr(split)}" if split else ""
            # CVAT knows an image by its path in the folder `images`.
            name = quoteattr(image.removeprefix("images/"))
            file.write(f'<image id="{number}" name={name}{subset} width="{width}" height="{height}">\n')
            for group, i in enumerate(members, start=1):
                file.write(_skeleton(annotations, i, group))
            file.write("</image>\n")
        file.write("</annotations>\n")
    return []


def _drawing(annotations: Annotations) -> str:
    """The skeleton's picture, which CVAT shows before points are placed, in per cent of its frame."""
    faces = annotations.landmarks
    boxes = annotations.landmark_boxes()
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = (faces - boxes[:, None, :2]) / (boxes[:, None, 2:] - boxes[:, None, :2])
    inside = np.where(np.isfinite(inside), inside, 0.5)
    mean = 10 + 80 * inside.mean(axis=0)
    lines = "".join(
        f'<line x1="{mean[a, 0]:.2f}" y1="{mean[a, 1]:.2f}" x2="{mean[b, 0]:.2f}" y2="{mean[b, 1]:.2f}" '
        f'data-type="edge" data-node-from="{a + 1}" data-node-to="{b + 1}"/>'
        for points, closed in annotations.scheme.contours
        for a, b in zip(points, points[1:] + (points[:1] if closed else ()), strict=False)
    )
    dots = "".join(
        f'<circle r="0.75" cx="{x:.2f}" cy="{y:.2f}" data-type="element node" data-element-id="{m + 1}" '
        f'data-node-id="{m + 1}" data-label-name="{m}"/>'
        for m, (x, y) in enumerate(mean.tolist())
    )
    return f"<svg>{escape(lines + dots)}</svg>"


def _skeleton(annotations: Annotations, i: int, group: int) -> str:
    box = annotations.boxes[i]
    boxed = not np.isnan(box).any()
    in_group = f' group_id="{group}"' if boxed else ""
    rows = [f'<skeleton label="face" source="manual" z_order="0"{in_group}>\n']
    for m, (x, y) in enumerate(annotations.landmarks[i].tolist()):
        outside = x != x
        occluded = int(not outside and not annotations.visible[i, m])
        place = "0,0" if outside else f"{decimals(x + 0.5)},{decimals(y + 0.5)}"
        rows.append(
            f'<points label="{m}" source="manual" outside="{int(outside)}" occluded="{occluded}" points="{place}"/>\n'
        )
    about = {"person": annotations.persons[i], "subsets": ";".join(sorted(annotations.subsets[i]))}
    rows += [f'<attribute name="{name}">{escape(value)}</attribute>\n' for name, value in about.items() if value]
    rows.append("</skeleton>\n")
    if boxed:
        x0, y0, x1, y1 = (decimals(v + 0.5) for v in box.tolist())
        rows.append(
            f'<box label="face box" source="manual" occluded="0" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" '
            f'z_order="0" group_id="{group}"/>\n'
        )
    return "".join(rows)
