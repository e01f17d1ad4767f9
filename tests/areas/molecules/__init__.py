"""Tests of the area imaging."""
