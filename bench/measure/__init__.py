"""What bench/run runs. Nothing here is part of the product."""
