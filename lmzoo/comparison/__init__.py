"""Many models on one text: a comparison, its rows, presets and published figures."""
