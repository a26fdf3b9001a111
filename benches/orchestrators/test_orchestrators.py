"""The benchmark's oracle finds what is wrong: a tool that runs too much, too little, twice, or with wrong inputs."""

import os
import subprocess
import tempfile
import unittest

from orchestrators import body, scenarios
from orchestrators.benchmark import Benchmark
from orchestrators.graph import RULES, SHAPES, Graph, Shape
from orchestrators.render import overhead_secs
from orchestrators.results import Cell, Rep, Results
from orchestrators.tools import all_tools
from orchestrators.tools.loop import Loop
from orchestrators.tools.tacq import stage_id
from orchestrators.workspace import Workspace

TINY = Shape(1, 1, 1, 2, 1)


class Picky(Loop):
    """A tool that runs the lines it is told to, out of those of all stages."""

    name = "picky"

    def __init__(self, lines):
        super().__init__(".")
        self.lines = lines

    def run(self, folder, jobs, keep_going=False):
        with open(os.path.join(folder, "bodies.sh"), encoding="utf-8") as file:
            lines = file.readlines()
        return ["sh", "-c", "".join(lines[i] for i in self.lines(range(len(lines))))]


def everything(lines):
    """All stages, in order."""
    return lines


class Oracle(unittest.TestCase):
    """One scenario on a graph of twelve stages."""

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)

    def project(self, lines):
        """A new project of a picky tool."""
        root = os.path.join(self._folder.name, "project")
        return Workspace(root, Picky(lines), Graph(TINY), 1, self._folder.name)

    def test_a_run_of_everything_is_right(self):
        rep = scenarios.cold(self.project(everything), 60)
        self.assertTrue(rep.right, rep.note)
        self.assertEqual(rep.extra["inodes"], 0)
        self.assertEqual(rep.extra["bytes"], 0)

    def test_a_stage_that_is_left_out_is_found(self):
        rep = scenarios.cold(self.project(lambda lines: lines[:-2]), 60)
        self.assertFalse(rep.right)
        self.assertIn("2 not executed, such as evaluate-m0-d0-b0-r1-e0", rep.note)

    def test_a_stage_that_runs_twice_is_found(self):
        rep = scenarios.cold(self.project(lambda lines: [*lines, lines[-1]]), 60)
        self.assertIn("1 executed more than once, such as report", rep.note)

    def test_a_stage_that_runs_before_its_inputs_is_found(self):
        self.assertIn("outputs are not what their inputs make", scenarios.cold(self.project(reversed), 60).note)

    def test_a_run_that_should_find_everything_and_does_not_is_found(self):
        space = self.project(everything)
        scenarios.cold(space, 60)
        self.assertIn("12 executed for nothing", scenarios.noop(space, 60).note)

    def test_a_changed_output_is_found(self):
        space = self.project(everything)
        scenarios.cold(space, 60)
        with open(os.path.join(space.project, space.graph["calibrate-m0-d0"].output), "w", encoding="utf-8") as file:
            file.write("something else\n")
        wrong = space.wrong_outputs()
        # It is not what its inputs make, and what reads it is not what it makes.
        self.assertIn("calibrate-m0-d0", wrong)
        self.assertIn("gradients-m0-d0", wrong)
        self.assertNotIn("download-m0", wrong)

    def test_failures_must_stop_what_follows_and_nothing_else(self):
        # Goes on whatever fails, also with what follows.
        rep = scenarios.failures(self.project(everything), 60)
        self.assertIn("executed for nothing", rep.note)

    def test_a_kill_costs_a_tool_without_memory_what_it_had_done(self):
        rep = scenarios.killed(self.project(everything), 60)
        self.assertFalse(rep.right)

    def test_a_run_that_ends_before_the_kill_is_told(self):
        rep = scenarios.killed(self.project(lambda lines: lines[:3]), 60)
        self.assertFalse(rep.right)
        self.assertIn("over before the kill", rep.note)

    def test_two_runs_without_a_lock_are_found(self):
        rep = scenarios.two_runs(self.project(everything), 60)
        self.assertIn("12 executed more than once", rep.note)

    def test_a_run_that_hangs_is_killed_with_its_children(self):
        space = self.project(everything)
        space.tool.run = lambda *_, **__: ["sh", "-c", "sleep 600 & sleep 600"]
        with self.assertRaises(scenarios.DidNotFinish) as end:
            scenarios.noop(space, 0.2)
        self.assertLess(end.exception.rep.wall_secs, 10)


class Graphs(unittest.TestCase):
    """The graph that all tools are given."""

    def test_sizes_are_those_that_name_them(self):
        for n, shape in SHAPES.items():
            self.assertEqual(shape.size(), n)
            self.assertEqual(len(Graph(shape)), n)

    def test_edges_are_those_of_the_rules(self):
        shape = SHAPES[110]
        counts = shape.counts()
        between = sum(len(inputs) * counts[kind] for kind, (_, inputs, _) in RULES.items())
        self.assertEqual(Graph(shape).edges(), between + counts["evaluate"])

    def test_one_in_a_hundred_fails(self):
        for n, shape in SHAPES.items():
            graph = Graph(shape)
            self.assertEqual(len(graph.failing()), n // 100)
            self.assertGreater(len(graph.follows(graph.failing())), len(graph.failing()))

    def test_what_follows_from_a_failure_is_all_behind_it(self):
        graph = Graph(SHAPES[10645])
        failing = graph.failing()
        follows = graph.follows(failing)
        # On this graph some are to fail that follow from others, and are not tried.
        self.assertEqual(len(failing & follows), 4)
        for stage in graph:
            behind = any(name in failing or name in follows for name in stage.inputs)
            self.assertEqual(stage.id in follows, behind)

    def test_plans_of_tacq_sweep_are_read_by_label(self):
        labels = {
            "mixed_quantize[m1,c3,tacq r=0.001,2-bit]": "mixed_quantize-m1-d3-b1-r9",
            "evaluate[m0,c0,tacq r=0.0003,1-bit,on t2]": "evaluate-m0-d0-b0-r2-e2",
            "saliency[m0,c0,tacq,4-bit]": "saliency-m0-d0-b3",
            "gradients[m0,c9]": "gradients-m0-d9",
        }
        for label, name in labels.items():
            self.assertEqual(stage_id({"label": label}), name)


class Descriptions(unittest.TestCase):
    """What can be checked of the tools' files without the tools."""

    def test_the_body_says_what_python_computes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "in")
            with open(path, "w", encoding="utf-8") as file:
                file.write("input\n")
            ledger = body.Ledger(folder)
            command = body.command("stage-m0", "stage-m0 7", path, os.path.join(folder, "out"), 1)
            subprocess.run(["sh", "-c", command], check=True, env={**os.environ, **ledger.environment()})
            with open(os.path.join(folder, "out"), encoding="utf-8") as file:
                self.assertEqual(file.read(), body.expected_output("stage-m0 7", [path]))
            began, ended, inputs = ledger.read()
            self.assertEqual((dict(began), dict(ended), inputs), ({"stage-m0": 1}, {"stage-m0": 1}, {"stage-m0": 1}))

    def test_redun_and_snakemake_files_are_python(self):
        tools = all_tools(".", ".")
        with tempfile.TemporaryDirectory() as folder:
            tools["redun-fast"].describe(Graph(TINY), folder, 2)
            with open(os.path.join(folder, "workflow.py"), encoding="utf-8") as file:
                compile(file.read(), "workflow.py", "exec")


class Resuming(unittest.TestCase):
    """A benchmark that was stopped goes on."""

    def test_a_torn_line_is_a_repetition_that_was_not(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.jsonl")
            cell = Cell("dvc", "noop", 110, 1)
            results = Results(path)
            results.add(cell, Rep(1.0, 10, True))
            results.add(cell, Rep(2.0, 10, True))
            os.truncate(path, os.path.getsize(path) - 5)
            again = Results(path)
            self.assertEqual([rep.wall_secs for rep in again.of(cell)], [1.0])
            again.add(cell, Rep(3.0, 10, True))
            self.assertEqual([rep.wall_secs for rep in Results(path).of(cell)], [1.0, 3.0])

    def test_a_cell_is_done_when_its_time_is_up_or_it_cannot_finish(self):
        with tempfile.TemporaryDirectory() as folder:
            results, cell = Results(os.path.join(folder, "results.jsonl")), Cell("dvc", "noop", 110, 1)
            self.assertFalse(results.is_done(cell, 10, 60))
            results.add(cell, Rep(31.0, 10, True))
            self.assertTrue(results.is_done(cell, 10, 60))
            self.assertFalse(results.is_done(cell, 10, 62))
            results.add(cell, Rep(600.0, 10, finished=False))
            self.assertTrue(results.is_done(cell, 10, 6000))

    def test_a_second_call_measures_nothing_again(self):
        with tempfile.TemporaryDirectory() as folder:
            results = Results(os.path.join(folder, "results.jsonl"))
            benchmark = Benchmark({"loop": Loop(".")}, results, folder, 60, 60, 1)
            for _ in range(2):
                benchmark.run([110], lambda cell: True)
            reps = {cell.scenario: len(reps) for cell, reps in results.cells.items()}
            self.assertEqual(reps, {"version": 1, "cold": 1})
            self.assertTrue(results.of(Cell("loop", "cold", 110, 1))[0].right)

    def test_a_first_run_that_would_take_too_long_is_not_begun_again(self):
        with tempfile.TemporaryDirectory() as folder:
            results = Results(os.path.join(folder, "results.jsonl"))
            results.add(Cell("dvc", "cold", 983, 1), Rep(100.0, 0, finished=False, extra={"ended": 300}))
            tools = {"dvc": all_tools(".", ".")["dvc"]}
            for build_cap, is_begun in ((300, False), (400, True)):
                benchmark = Benchmark(tools, results, folder, 100, build_cap, 1)
                self.assertEqual(benchmark._is_unbuildable(Cell("dvc", "noop", 983, 1)), not is_begun)

    def test_overhead_is_what_is_left_of_the_bodies(self):
        with tempfile.TemporaryDirectory() as folder:
            results = Results(os.path.join(folder, "results.jsonl"))
            results.add(Cell("loop", "cold", 110, 1), Rep(0.55, 0, True))
            results.add(Cell("dvc", "cold", 110, 1), Rep(11.55, 0, True))
            self.assertAlmostEqual(overhead_secs(results, all_tools(".", ".")["dvc"], 110, 1), 0.1)


if __name__ == "__main__":
    unittest.main()
