"""Probes: classifiers on frozen features."""
