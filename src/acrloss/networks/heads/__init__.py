"""Heads: from what a backbone makes of a crop to landmarks, one head a module (docs/extend/heads.md)."""
