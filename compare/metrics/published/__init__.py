"""Groups A to D of the post, exactly as published: see `compare.published` for what the post is."""
