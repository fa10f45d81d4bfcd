"""Landmark layouts: how many landmarks, which change places in a mirror, which measure the error, and regions."""

from acrloss.schemes.lookup import generic_scheme, get_scheme, save_scheme, scheme_names
from acrloss.schemes.scheme import Scheme

__all__ = ["Scheme", "generic_scheme", "get_scheme", "save_scheme", "scheme_names"]
