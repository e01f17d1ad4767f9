"""Open data sets: where they come from, under which licence, and how they get onto this machine, verified."""

from polyclinic.datasets.dataset import Dataset, listing
from polyclinic.datasets.fetch import get, path

__all__ = ["Dataset", "get", "listing", "path"]
