"""How fast the model's time goes by on the stage."""

from __future__ import annotations

from collections.abc import Sequence

from hachimachi.events import Feature
from hachimachi.live.instrumentalist import Row


class Tempo:
    """Between the features of a model and those of the stage.

    At double speed the feature ``duration`` is half as long on the stage; the model hears it as it learned it.

    Args:
        features: The model's features.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.speed = 1.0
        """Seconds of the model in one of the stage."""
        places = [place for place, feature in enumerate(features) if feature.name == "duration"]
        self._duration = places[0] if places else None

    def to_stage(self, row: Row) -> Row:
        """Return features, shape (F,), as they sound."""
        return self._scaled(row, 1 / self.speed)

    def to_model(self, row: Row) -> Row:
        """Return features, shape (F,), as the model hears them."""
        return self._scaled(row, self.speed)

    def _scaled(self, row: Row, factor: float) -> Row:
        if self._duration is None or factor == 1:
            return row
        row = row.copy()
        row[self._duration] *= factor
        return row
