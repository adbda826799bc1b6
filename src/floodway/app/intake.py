"""What a listener's HTTP does with every request around the application: home of the native `Intake`."""

from floodway._core import Intake

__all__ = ["Intake"]
