"""Runs a Python text and answers with the lines that it prints: the table of host/python/world/tests."""
import json


def init():
    pass


def run(raw_data):
    lines = []
    exec(json.loads(raw_data)["text"], {"print": lambda line, **_: lines.append(line)})
    return "\n".join(lines)
