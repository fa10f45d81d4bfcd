"""Draws the README's picture from synthetic faces: python docs/pictures.py"""

from pathlib import Path

import numpy as np

from acrloss.crops.crop import apply_matrix, square_frame
from acrloss.figures.draw import contact_sheet, draw_landmarks, face_tile
from acrloss.formats import read_annotations
from acrloss.images import read_image
from acrloss.images.encode import save_png
from acrloss.shapes.shape_model import ShapeModel

FACES = (20, 45, 85, 160, 130, 225)

faces = read_annotations("synthetic:800")
framed = square_frame(faces)
model = ShapeModel.fit(framed)
difficulty = model.difficulty(framed, model.modes(0.80, rule="variance"), per="landmark")[..., 0]
rows: tuple[list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], ...] = ([], [])
for index in FACES:
    tile, matrix = face_tile(read_image(faces.images[index]), faces.landmarks[index], size=360)
    landmarks = apply_matrix(matrix, faces.landmarks[index])
    rows[0].append(draw_landmarks(tile, landmarks, faces.scheme))
    rows[1].append(draw_landmarks(tile, landmarks, faces.scheme, values=difficulty[index], value_range=(0, 1)))
sheet = contact_sheet([*rows[0], *rows[1]], columns=len(FACES), tile=200)
save_png(Path(__file__).parent / "images" / "difficulty.png", sheet)
