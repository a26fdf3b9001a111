"""Results, a JSON line per repetition, so that a benchmark that was stopped goes on where it was."""

import dataclasses
import json
import os

# The note of a repetition that could not even begin.
NO_FIRST_RUN = "the first run did not finish, or failed"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One thing that is measured: a tool in a scenario on a graph of `n` stages with `jobs` stages side by side."""

    tool: str
    scenario: str
    n: int
    jobs: int


@dataclasses.dataclass
class Rep:
    """One repetition. `right` is the oracle's word: None where there is none, else whether exactly what had to be
    executed was, and whether all outputs are what their inputs make; `note` says what was not."""

    wall_secs: float
    peak_bytes: int
    right: bool | None = None
    note: str = ""
    finished: bool = True
    extra: dict = dataclasses.field(default_factory=dict)


class Results:
    """The file of results."""

    def __init__(self, path):
        self.path = path
        self.cells = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    try:
                        row = json.loads(line)
                    except ValueError:
                        # A line that a kill cut short is a repetition that did not take place.
                        continue
                    self.cells.setdefault(Cell(**row["cell"]), []).append(Rep(**row["rep"]))

    def of(self, cell):
        """The repetitions of a cell so far."""
        return self.cells.get(cell, [])

    def add(self, cell, rep):
        """Writes one down."""
        self.cells.setdefault(cell, []).append(rep)
        row = {"cell": dataclasses.asdict(cell), "rep": dataclasses.asdict(rep)}
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "ab+") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    # After a kill in the middle of a line; what is on it is lost, what follows is not.
                    file.write(b"\n")
            file.write((json.dumps(row) + "\n").encode())

    def is_done(self, cell, reps, cap_secs):
        """Whether a cell has its repetitions, no time for another one, or one that did not finish."""
        times = [rep.wall_secs for rep in self.of(cell)]
        if not times:
            return False
        # One more like the slowest would go past the cap.
        is_late = sum(times) + max(times) > cap_secs
        return len(times) >= reps or is_late or any(not rep.finished for rep in self.of(cell))
