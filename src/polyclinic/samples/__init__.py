"""Samples: the table that every model reads, with its columns, groups and splits."""

from polyclinic.samples.columns import Column, Dense, Entity, File, Ragged
from polyclinic.samples.samples import Role, Samples

__all__ = ["Column", "Dense", "Entity", "File", "Ragged", "Role", "Samples"]
