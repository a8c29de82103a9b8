"""What the judge weighs: one effect a run for each hypothesis, and the rule that turns them into a verdict."""
