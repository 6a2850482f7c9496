"""Writes sources that convert: `pickles`, one model in every form that a pickle comes in; `folders`, those of MLflow.

Owns the two folders. Must not know how anything is converted.

    python3 forms.py FOLDER
"""

import sys
from pathlib import Path

import fixes_files
import fixes_folders

FOLDER = Path(sys.argv[1])


def main():
    pickles, folders = FOLDER / "pickles", FOLDER / "folders"
    pickles.mkdir(parents=True)
    for name, data in fixes_files.compressed().items():
        (pickles / name).write_bytes(data)
    for name, write in fixes_folders.folders().items():
        (folders / name).mkdir(parents=True)
        write(folders / name)


main()
