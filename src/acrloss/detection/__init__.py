"""Finding the faces of a photograph: one small interface, and one module a detector."""
