"""The one training loop, export to ONNX, and devices."""
