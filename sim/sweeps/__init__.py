"""Many simulations over a grid of parameters: what a grid is, how its cells are solved, and where they are kept."""
