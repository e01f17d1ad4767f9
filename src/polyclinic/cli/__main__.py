"""`python -m polyclinic.cli`."""

from polyclinic.cli import main

main()
