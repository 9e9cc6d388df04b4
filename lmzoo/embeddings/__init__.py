"""What word-vector models share: co-occurrence counts, the log-linear predictor, GloVe's optimiser."""
