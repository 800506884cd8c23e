"""The page in a browser: a process of its own that receives the feed of a performance and steers it over OSC."""
