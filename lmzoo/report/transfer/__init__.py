"""The report of `lmzoo transfer`: what pre-training is worth, an experiment a file."""
