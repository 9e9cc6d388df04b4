"""Learning from labels: fine-tuned networks and the baselines beside them, over few labels and many."""
