"""A test without a host: the converted model answers as scikit-learn did. It needs onnxruntime and numpy."""

import importlib.util
import json
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent
HAS_ENGINE = importlib.util.find_spec("onnxruntime") is not None


@unittest.skipUnless(HAS_ENGINE, "onnxruntime is not installed")
class ModelTest(unittest.TestCase):
    def test_the_sample_is_answered(self) -> None:
        import numpy
        import onnxruntime

        sample = json.loads((ROOT / "sample.json").read_text())
        session = onnxruntime.InferenceSession(ROOT / "converted/model/model.onnx")
        labels, probabilities = session.run(None, {"X": numpy.array(sample["inputs"]["X"], numpy.float32)})
        expected = sample["outputs"]
        self.assertEqual(labels.tolist(), expected["label"])
        numpy.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-4)


if __name__ == "__main__":
    unittest.main()
