"""Pictures: landmarks on photographs, errors, learning and shapes."""
