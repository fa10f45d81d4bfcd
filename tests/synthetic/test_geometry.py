"""The head, its modes and its camera: symmetric where they should be, and landmarks where they are said to be."""

import cv2
import numpy as np
import pytest

from acrloss.schemes import get_scheme
from acrloss.synthetic import anatomy, camera, modes, person, surface

FLIP = list(get_scheme("ibug68").flip)


def _tracked(identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
    count = 68 + 17 * surface.SLIDE_STEPS
    vertices = surface.head_mesh().vertices[:count]
    fields = modes.identity_modes(vertices), modes.expression_modes(vertices)
    return person.deform(vertices, *fields, identity, expression)


def _view(yaw: float, pitch: float, roll: float) -> camera.Camera:
    head = camera.rotation(yaw, pitch, roll)
    return camera.Camera(head, head, roll, 800.0, 0.7, np.array([80.0, 80.0]))


def _neutral() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(len(modes.IDENTITY)), np.zeros(len(modes.EXPRESSIONS))


def test_average_landmarks_are_symmetric_and_on_the_surface() -> None:
    marks = anatomy.landmarks()
    assert np.array_equal(anatomy.mirrored(marks)[FLIP], marks)
    assert np.linalg.norm(surface.point_at(surface.to_plane(marks)) - marks, axis=1).max() < 0.1
    assert np.array_equal(surface.head_mesh().vertices[:68], marks)


def test_plane_coordinates_are_undone_by_directions() -> None:
    random = np.random.default_rng(0)
    plane = random.uniform(-70, 70, (200, 2))
    points = surface.CENTRE + 100.0 * surface.directions(plane)
    assert np.allclose(surface.to_plane(points), plane, atol=1e-9)


def test_the_mesh_covers_the_face_once() -> None:
    mesh = surface.head_mesh()
    a, b, c = (mesh.plane[mesh.triangles[:, i]] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (area > 0).all()
    used = mesh.plane[np.unique(mesh.triangles)].astype(np.float32)
    assert abs(area.sum() / 2 / cv2.contourArea(cv2.convexHull(used)) - 1) < 1e-3
    # Two eyes and a mouth are open.
    assert {0, 1, 2} == set(mesh.window.tolist())
    openings = np.unique(mesh.triangles[mesh.window == 1])
    assert set(range(36, 48)) <= set(openings.tolist())
    assert set(range(60, 68)) <= set(np.unique(mesh.triangles[mesh.window == 2]).tolist())


def test_mirrored_identity_and_expression_give_mirrored_landmarks() -> None:
    random = np.random.default_rng(1)
    one_sided = {"nose to one side", "mouth to one side", "one eye higher"}
    for _ in range(10):
        identity = random.normal(size=len(modes.IDENTITY))
        expression = random.uniform(0, 1, len(modes.EXPRESSIONS))
        mirrored_identity = np.array(
            [-v if name in one_sided else v for name, v in zip(modes.IDENTITY, identity, strict=True)]
        )
        by_name = dict(zip(modes.EXPRESSIONS, expression, strict=True))
        swap = {"right": "left", "left": "right"}
        mirrored_expression = np.array(
            [
                -by_name[name] if name == "jaw aside" else by_name[" ".join(swap.get(w, w) for w in name.split())]
                for name in modes.EXPRESSIONS
            ]
        )
        yaw, pitch, roll = random.uniform(-50, 50), random.uniform(-20, 20), random.uniform(-20, 20)
        here = person.project_landmarks(_tracked(identity, expression), _view(yaw, pitch, roll))
        there = person.project_landmarks(_tracked(mirrored_identity, mirrored_expression), _view(-yaw, pitch, -roll))
        assert np.abs((160.0 - there[:, 0])[FLIP] - here[:, 0]).max() < 1e-6
        assert np.abs(there[FLIP, 1] - here[:, 1]).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "landmark", "axis", "sign"),
    [
        ("jaw open", 8, 1, 1),
        ("smile right", 48, 0, -1),
        ("smile left", 54, 0, 1),
        ("brow up right", 19, 1, -1),
        ("brow down", 21, 1, 1),
        ("upper lip up", 51, 1, -1),
        ("pucker", 54, 0, -1),
        ("blink left", 43, 1, 1),
        ("corner down right", 48, 1, 1),
    ],
)
def test_expressions_do_what_their_names_say(name: str, landmark: int, axis: int, sign: int) -> None:
    identity, expression = _neutral()
    before = _tracked(identity, expression)[landmark, axis]
    expression[modes.EXPRESSIONS.index(name)] = 1.0
    assert sign * (_tracked(identity, expression)[landmark, axis] - before) > 2.0


def test_lids_and_lips_close_without_crossing() -> None:
    identity, expression = _neutral()
    closed = expression.copy()
    closed[[modes.EXPRESSIONS.index("blink right"), modes.EXPRESSIONS.index("blink left")]] = 1.0
    head = _tracked(identity, closed)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        assert abs(head[upper, 1] - head[lower, 1]) < 1.0
    opened = expression.copy()
    opened[modes.EXPRESSIONS.index("jaw open")] = 0.7
    for strength in (expression, opened):
        head = _tracked(identity, strength)
        for upper, lower in ((61, 67), (62, 66), (63, 65)):
            assert head[upper, 1] < head[lower, 1]
    # The corners of an open mouth stay between its lips.
    assert head[62, 1] < head[60, 1] < head[66, 1]


def test_rotation_is_a_rotation_with_the_stated_signs() -> None:
    random = np.random.default_rng(2)
    for yaw, pitch, roll in random.uniform(-60, 60, (20, 3)):
        r = camera.rotation(yaw, pitch, roll)
        assert np.allclose(r @ r.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(r) > 0
    nose = np.array([0.0, 0.0, 1.0])
    assert (camera.rotation(20, 0, 0) @ nose)[0] > 0
    assert (camera.rotation(0, 20, 0) @ nose)[1] > 0
    assert (camera.rotation(0, 0, 20) @ np.array([1.0, 0.0, 0.0]))[1] > 0


def test_jaw_landmarks_lie_on_the_visible_contour() -> None:
    head = _tracked(*_neutral())
    for yaw in (-45.0, -20.0, 0.0, 20.0, 45.0):
        view = _view(yaw, 0.0, 0.0)
        marks = person.project_landmarks(head, view)
        fixed = view.see(head[:17])
        # The far side slides outwards, the side turned to the camera keeps its place (to a millimetre).
        far = slice(0, 5) if yaw < 0 else slice(12, 17)
        near = slice(12, 17) if yaw < 0 else slice(0, 5)
        outwards = -1.0 if yaw < 0 else 1.0
        assert (outwards * (marks[far, 0] - fixed[far, 0]) > -0.7).all()
        if abs(yaw) > 30:
            assert (outwards * (marks[far, 0] - fixed[far, 0]) > 3.0).all()
            assert np.abs(marks[near] - fixed[near]).max() < 0.7


def test_the_visible_contour_moves_continuously() -> None:
    head = _tracked(*_neutral())
    turns = np.arange(-60.0, 60.0, 0.25)
    marks = np.stack([person.project_landmarks(head, _view(yaw, 3.0, 2.0)) for yaw in turns])
    steps = np.linalg.norm(np.diff(marks, axis=0), axis=2)
    assert steps.max() < 2.0


def test_nearer_things_are_larger() -> None:
    view = _view(0, 0, 0)
    near, far = (np.array([[-10.0, 0.0, z], [10.0, 0.0, z]]) for z in (80.0, -80.0))
    assert np.ptp(view.project(near)[:, 0]) > np.ptp(view.project(far)[:, 0])
