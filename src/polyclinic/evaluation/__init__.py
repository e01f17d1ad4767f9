"""Pure numbers from predictions: scores, intervals over groups, calibration, usefulness."""
