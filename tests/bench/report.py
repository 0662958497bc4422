"""The figures as JSON: medians, every round, and what they were measured on."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench import meter
from tests.bench.course import Effort
from tests.bench.figure import Figure, IdleFigure, KeptFigure, middle
from tests.bench.scenario import Scenario


class Report:
    """Gathers what is measured."""

    def __init__(self, effort: Effort) -> None:
        self._content: dict[str, Any] = {
            "machine": {
                "cores": meter.cores(),
                "system": platform.platform(),
                "python": platform.python_version(),
            },
            "effort": asdict(effort),
            "left_out": [],
            "scenarios": {},
        }

    def leave_out(self, peers: list[str]) -> None:
        """Take the names of peers that are not installed."""
        self._content["left_out"] = peers

    def add(self, scenario: Scenario, rounds: Mapping[str, list[Figure]]) -> None:
        """Take the rounds of every server in a scenario."""
        self._content["scenarios"][scenario.name] = {
            "scenario": asdict(scenario),
            "servers": {
                name: {
                    "median": asdict(middle(figures)),
                    "bound_by": middle(figures).bound_by(scenario),
                    "rounds": [asdict(figure) for figure in figures],
                }
                for name, figures in rounds.items()
            },
        }

    def add_idle(self, figures: Mapping[str, IdleFigure]) -> None:
        """Take what idle connections cost."""
        self._content["idle"] = {name: asdict(figure) for name, figure in figures.items()}

    def add_kept(self, figures: Sequence[KeptFigure]) -> None:
        """Take what messages cost that were kept."""
        self._content["kept"] = [asdict(figure) for figure in figures]

    def write(self, file: Path) -> None:
        """Write everything into a file."""
        file.write_text(json.dumps(self._content, indent=1) + "\n")
