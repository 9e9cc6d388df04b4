"""Looking into models: calibration, context length, surprisal, memorization, scaling laws, word vectors."""
