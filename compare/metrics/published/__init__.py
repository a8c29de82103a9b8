"""Groups A to D of the post, exactly as published."""
