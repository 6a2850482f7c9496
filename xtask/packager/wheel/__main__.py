"""Runs the program for `python -m scorebox`."""

from scorebox import main

main()
