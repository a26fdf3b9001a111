"""The order of things: which cells there are, in which project each runs, how often, and when to give up."""

import os
import time

from orchestrators import workspace
from orchestrators.graph import SHAPES, Graph
from orchestrators.results import NO_FIRST_RUN, Cell, Rep
from orchestrators.scenarios import ACTIONS, BIG, BUILT, SCENARIOS, WITH_JOBS, DidNotFinish

# What tools without a cache, or without bodies, are for.
ONLY_COLD = {"loop": ("version", "cold"), "tacq-sweep-bare": ("plan-empty", "cold", "plan-done", "noop")}
BIG_N = 110


def has(tool, scenario, n):
    """Whether a tool has a scenario on a graph of `n` stages."""
    if scenario == "version" or (scenario in BIG and n != BIG_N):
        return False
    if scenario.startswith("plan") and scenario not in tool.plans:
        return False
    return scenario in ONLY_COLD.get(tool.name, (scenario,))


class Benchmark:
    """All cells that are wanted, on one folder of work."""

    def __init__(self, tools, results, work, cap_secs, build_cap_secs, reps):
        self.tools, self.results, self.work = tools, results, os.path.abspath(work)
        self.cap_secs, self.build_cap_secs, self.reps = cap_secs, build_cap_secs, reps
        self.graphs = {}

    def cells(self, sizes):
        """All cells, smallest graphs first, and all that share a project one after the other."""
        for tool in self.tools.values():
            yield Cell(tool.name, "version", 0, 1)
        for n in sizes:
            for tool in self.tools.values():
                for scenario in SCENARIOS:
                    if not has(tool, scenario, n):
                        continue
                    for jobs in tool.jobs if scenario in WITH_JOBS else (1,):
                        yield Cell(tool.name, scenario, n, jobs)

    def run(self, sizes, wanted):
        """Runs what is missing of the cells that are wanted."""
        for cell in self.cells(sizes):
            if wanted(cell):
                self._run_cell(cell)
        workspace.empty_trash(self.work)

    def wanted_reps(self, cell):
        """Repetitions of a cell."""
        if cell.scenario == "big-first":
            return 1
        return min(self.reps, 3) if cell.n == max(SHAPES) else self.reps

    def _run_cell(self, cell):
        reps = self.wanted_reps(cell)
        space = None
        while not self.results.is_done(cell, reps, self.cap_secs):
            space = self._space(cell, space)
            if space is None:
                rep = Rep(0.0, 0, finished=False, note=NO_FIRST_RUN)
            else:
                rep = self._rep(cell, space)
            self.results.add(cell, rep)
            tell(cell, rep, len(self.results.of(cell)))
            if space is not None:
                self._leave(cell, space, rep)

    def _rep(self, cell, space):
        try:
            return ACTIONS[cell.scenario](space, self.cap_secs)
        except DidNotFinish as end:
            return end.rep

    def _graph(self, cell):
        key = (cell.n or min(SHAPES), workspace.BIG_SHARDS if cell.scenario in BIG else 0)
        if key not in self.graphs:
            self.graphs[key] = Graph(SHAPES[key[0]], key[1])
        return self.graphs[key]

    def _space(self, cell, last):
        """The project of a cell; none if it cannot be had in time."""
        if self._is_unbuildable(cell) and cell.scenario in (*BUILT, *BIG):
            return None
        tool, graph = self.tools[cell.tool], self._graph(cell)
        home = os.path.join(self.work, "home")
        name = f"{cell.tool}-{cell.n}"
        if cell.scenario in BIG:
            shards = os.path.join(self.work, "shards")
            workspace.make_shards(shards)
            path = os.path.join(self.work, "projects", f"{name}-big")
            space = workspace.Workspace(path, tool, graph, 1, home, shards)
            return self._built(cell, space) if cell.scenario != "big-first" else space
        path = os.path.join(self.work, "projects", f"{name}-built")
        if cell.scenario in BUILT:
            return self._built(cell, workspace.Workspace(path, tool, graph, 1, home))
        if cell.scenario == "cold" and cell.jobs == 1:
            # The last of them leaves behind what the next scenarios start from.
            workspace.discard(path)
            return workspace.Workspace(path, tool, graph, 1, home)
        if cell.scenario in ("version", "plan-empty") and last:
            return last
        if cell.scenario in ("killed", "two-runs", "failures") and self._is_hopeless(cell):
            return None
        path = os.path.join(self.work, "projects", f"{name}-new")
        return workspace.Workspace(path, tool, graph, cell.jobs, home)

    def _is_hopeless(self, cell):
        """Whether a run of everything is known not to end within the cap."""
        first = self.results.of(Cell(cell.tool, "cold", cell.n, 1))
        return any(not rep.finished for rep in first)

    def _is_unbuildable(self, cell):
        """Whether the first run that it starts from is known to take too long, or has been tried in vain."""
        for rep in self.results.of(Cell(cell.tool, "cold", cell.n, 1)) if cell.scenario in BUILT else []:
            # At the speed that it had, if it gets no slower.
            if not rep.finished and rep.extra["ended"] / rep.wall_secs * self.build_cap_secs < cell.n:
                return True
        scenarios = BIG if cell.scenario in BIG else BUILT
        before = (rep for s in scenarios for rep in self.results.of(Cell(cell.tool, s, cell.n, 1)))
        return any(rep.note == NO_FIRST_RUN for rep in before)

    def _built(self, cell, space):
        """The project after a first run that is not counted, for which there is more time than for one that is."""
        if space.is_built:
            return space
        try:
            rep = ACTIONS["cold"](space, self.build_cap_secs)
        except DidNotFinish as end:
            rep = end.rep
        tell(Cell(cell.tool, "(building)", cell.n, 1), rep, 0)
        if rep.right:
            space.mark_built()
            return space
        space.remove()
        return None

    def _leave(self, cell, space, rep):
        """What becomes of a project after a repetition."""
        if cell.scenario in BUILT or cell.scenario in BIG:
            if cell.scenario == "big-first" and rep.right:
                space.mark_built()
            elif rep.finished and self._is_whole(cell, space, rep):
                space.mark_built()
            else:
                space.remove()
        elif cell.scenario == "cold" and cell.jobs == 1 and rep.right:
            space.mark_built()
        elif cell.scenario not in ("version", "plan-empty"):
            space.remove()

    @staticmethod
    def _is_whole(cell, space, rep):
        """Whether the next repetition finds everything; a tool that executed too much has it all the same."""
        return rep.right or cell.scenario.startswith("plan") or not space.wrong_outputs()


def tell(cell, rep, number):
    """A line of progress."""
    verdict = {None: "", True: "right", False: "WRONG"}[rep.right] if rep.finished else "DID NOT FINISH"
    now = time.strftime("%H:%M:%S")
    print(
        f"{now} {cell.tool:16} {cell.n:6} {cell.scenario:12} -j{cell.jobs} #{number}: "
        f"{rep.wall_secs:8.3f} s {rep.peak_bytes / 2**20:6.0f} MiB {verdict} {rep.note}",
        flush=True,
    )
