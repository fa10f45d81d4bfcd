"""Landmarks of photographs and videos: find the faces, cut them out, run the network, go back."""
