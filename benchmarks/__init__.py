"""Side by side with what people use instead; run by hand, never as a test."""
