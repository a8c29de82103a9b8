"""Tables that one model or one pair of trajectories gives, outside the presets."""
