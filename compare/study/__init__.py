"""The main job: its runs, how each is made, and the folder that keeps them."""
