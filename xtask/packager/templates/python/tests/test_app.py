"""Tests without a host: `python3 -m unittest` in this folder's parent."""

import json
import unittest
from pathlib import Path

from app import Risk
from scorebox_guest import Rejected
from scorebox_guest.testing import Host

ROOT = Path(__file__).parent.parent


class RiskTest(unittest.TestCase):
    def setUp(self) -> None:
        self.scorer = Host(model=ROOT / "model").start(Risk)

    def test_the_sample_is_answered(self) -> None:
        sample = json.loads((ROOT / "sample.json").read_text())
        answer = self.scorer.run(sample["inputs"])
        self.assertAlmostEqual(answer["probability"], sample["outputs"]["probability"], places=6)

    def test_a_negative_income_is_rejected(self) -> None:
        with self.assertRaises(Rejected) as rejected:
            self.scorer.run({"features": [-1, 2, 0.5]})
        self.assertEqual(rejected.exception.problem.code, "negative-income")


if __name__ == "__main__":
    unittest.main()
