"""What the fields of all formats have in common: values, landmark names, splits and the places of images."""
