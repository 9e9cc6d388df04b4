"""A head on a pre-trained network, and the training of both on labelled texts."""
