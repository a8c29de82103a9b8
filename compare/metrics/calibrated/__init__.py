"""Statistics of the preset `calibrated`, each with its values in null draws."""
