"""The phase clock, the device described, the sampler."""
