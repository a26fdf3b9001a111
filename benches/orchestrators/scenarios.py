"""What is done with each tool, and what must have been executed when it is over."""

import os
import time

from orchestrators import measure
from orchestrators.results import Rep

# Scenarios by name: what they are, and in which order they run. `built` ones share a project in which everything is
# there and leave it so; the others get a new one for each repetition.
SCENARIOS = {
    "version": "starting and saying the version",
    "plan-empty": "a: plan, nothing is there",
    "cold": "b: run, nothing is there",
    "plan-done": "a: plan, everything is there",
    "noop": "c: run, everything is there",
    "parameter": "d: a parameter of one task changed",
    "touched": "e: a user's file touched, its content equal",
    "killed": "f: kill -9 at half, then run again",
    "two-runs": "g: two runs at once",
    "failures": "h: one stage of a hundred fails, the others go on",
    "big-first": "i: first run on 8 GiB of inputs",
    "big-cold": "i: run, everything is there, inputs not in the page cache",
    "big-noop": "i: run, everything is there",
    "big-touched": "i: one input of 2 GiB touched, its content equal",
}
BUILT = ("plan-done", "noop", "parameter", "touched")
BIG = ("big-first", "big-cold", "big-noop", "big-touched")
# Each with one stage and with two side by side, where the tool can.
WITH_JOBS = ("cold",)


class DidNotFinish(Exception):
    """The limit was reached."""

    def __init__(self, outcome):
        super().__init__("limit")
        self.rep = Rep(outcome.wall_secs, outcome.peak_bytes, finished=False, note="did not finish")


def finish(outcome):
    """The outcome, if it is one."""
    if outcome.timed_out:
        raise DidNotFinish(outcome)
    return outcome


def last_line(space, outcome):
    """What a tool said last, without the folder in which it happened to run."""
    text = outcome.output.replace(space.project + os.sep, "").replace(space.project, ".")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def judge(space, outcome, expected, code=0, outputs=True):
    """The repetition, with the oracle's word: each stage expected was executed once, and no other one."""
    problems = []
    if outcome.code != code and not (code and outcome.code):
        problems.append(f"exit {outcome.code}: {last_line(space, outcome)}")
    if space.tool.spawns:
        problems += differences(space, expected)
    if outputs:
        wrong = space.wrong_outputs()
        if wrong:
            problems.append(f"{len(wrong)} outputs are not what their inputs make, such as {wrong[0]}")
    return Rep(outcome.wall_secs, outcome.peak_bytes, not problems, "; ".join(problems))


def differences(space, expected):
    """What was executed and should not have been, and the other way round."""
    began, _, inputs, strange = space.executed()
    expected = expected & space.tool.bodies(space.graph)
    missing, more = expected - set(began), set(began) - expected
    twice = {name for name, times in began.items() if times > 1}
    problems = [f"{len(strange)} executed that are in no plan"] if strange else []
    for names, what in ((missing, "not executed"), (more, "executed for nothing"), (twice, "executed more than once")):
        if names:
            problems.append(f"{len(names)} {what}, such as {min(names)}")
    other = [name for name in began if inputs[name] != len(space.graph[name].paths())]
    if other:
        problems.append(f"{len(other)} with another number of inputs, such as {other[0]}")
    return problems


def version(space, limit_secs):
    """The program starts and says its version."""
    outcome = finish(space.run(space.tool.version_argv(), limit_secs))
    return Rep(outcome.wall_secs, outcome.peak_bytes, outcome.code == 0, extra={"version": last_line(space, outcome)})


def plan(space, limit_secs):
    """A plan; it executes nothing. Some say by their exit code that there is work."""
    space.ledger.clear()
    outcome = finish(space.run(space.tool.plan(space.project), limit_secs))
    rep = judge(space, outcome, set(), code=outcome.code if outcome.code == 1 else 0, outputs=False)
    return rep


def cold(space, limit_secs):
    """The first run, and what it leaves behind."""
    space.ledger.clear()
    outcome = space.run(space.tool.run(space.project, space.jobs), limit_secs)
    if outcome.timed_out:
        end = DidNotFinish(outcome)
        ended = space.ledger.n_ended()
        end.rep.extra["ended"] = ended
        end.rep.note = f"did not finish: {ended} of {len(space.tool.bodies(space.graph))} bodies"
        raise end
    rep = judge(space, outcome, set(space.graph.stages))
    inodes, n_bytes = space.added()
    rep.extra = {"inodes": inodes, "bytes": n_bytes}
    space.tool.check_counts(space.graph, space.project)
    return rep


def noop(space, limit_secs):
    """A run that finds everything."""
    space.ledger.clear()
    outcome = finish(space.run(space.tool.run(space.project, space.jobs), limit_secs))
    return judge(space, outcome, set())


def parameter(space, limit_secs):
    """A task has another parameter: its evaluations are executed, and the report."""
    space.ledger.clear()
    space.set_parameter(space.parameter + 1)
    outcome = finish(space.run(space.tool.run(space.project, space.jobs), limit_secs))
    return judge(space, outcome, space.graph.leaves_of_task(0))


def touched(space, limit_secs):
    """A model's file has another time and the same content: nothing has to be executed."""
    space.ledger.clear()
    # All tools look at a file of this name; with shards, one of them stands for the model.
    space.touch(space.graph["download-m0"].sources[0])
    # A time within a clock's grain of the last one is none that a tool could see.
    time.sleep(0.1)
    outcome = finish(space.run(space.tool.run(space.project, space.jobs), limit_secs))
    return judge(space, outcome, set())


def killed(space, limit_secs):
    """Everything is killed when half of the bodies have ended. What had ended must not be executed again, except what
    was in flight; what a user has to type before the tool goes on is counted. The time is that after the kill."""
    started = time.perf_counter()
    space.ledger.clear()
    over = kill_at_half(space, limit_secs)
    if over:
        return Rep(over.wall_secs, over.peak_bytes, False, f"it was over before the kill: {last_line(space, over)}")
    _, ended_before, _, _ = space.executed()
    space.ledger.clear()
    rep, outcome = resume(space, limit_secs - (time.perf_counter() - started))
    began, _, _, _ = space.executed()
    again = set(began) & set(ended_before)
    missing = space.tool.bodies(space.graph) - set(ended_before) - set(began)
    wrong = space.wrong_outputs()
    problems = [f"exit {outcome.code}: {last_line(space, outcome)}"] if outcome.code != 0 else []
    if len(again) > space.jobs:
        problems.append(f"{len(again)} executed again that had ended")
    if missing or wrong:
        problems.append(f"{len(missing)} never executed, {len(wrong)} outputs wrong")
    rep.right, rep.note = not problems, "; ".join(problems)
    rep.extra["again"] = len(again)
    return rep


def kill_at_half(space, limit_secs):
    """Starts a run and kills it when half of the bodies have ended; returns its outcome if it was over before."""
    running = space.start(space.tool.run(space.project, space.jobs))
    half = len(space.tool.bodies(space.graph)) // 2
    while space.ledger.n_ended() < half and not running.has_ended():
        if time.perf_counter() - running.started > limit_secs:
            running.kill()
            raise DidNotFinish(running.wait())
        time.sleep(0.005)
    is_over = running.has_ended()
    running.kill()
    outcome = running.wait()
    return outcome if is_over else None


def resume(space, limit_secs):
    """Runs again, and if that is refused does what the tool's documentation says, the least first. Times add up."""
    outcome = finish(space.run(space.tool.run(space.project, space.jobs), limit_secs))
    rep = Rep(outcome.wall_secs, outcome.peak_bytes, extra={"by_hand": 0, "refusals": []})
    for commands in space.tool.by_hand(space.project, space.jobs):
        if outcome.code == 0:
            break
        rep.extra["refusals"].append(last_line(space, outcome))
        rep.extra["by_hand"] = len(commands)
        for argv in commands:
            outcome = finish(space.run(argv, limit_secs - rep.wall_secs))
            rep.wall_secs += outcome.wall_secs
            rep.peak_bytes = max(rep.peak_bytes, outcome.peak_bytes)
    return rep, outcome


def two_runs(space, limit_secs):
    """Two runs of one project at once: each stage is executed once, by one of them. One may refuse to start."""
    space.ledger.clear()
    started = time.perf_counter()
    argv = space.tool.run(space.project, space.jobs)
    both = [space.start(argv, f"log-{i}") for i in range(2)]
    outcomes = []
    for running in both:
        outcomes.append(running.wait(limit_secs - (time.perf_counter() - started)))
    wall = time.perf_counter() - started
    for outcome in outcomes:
        finish(outcome)
    failed = [outcome for outcome in outcomes if outcome.code != 0]
    problems = differences(space, set(space.graph.stages))
    wrong = space.wrong_outputs()
    if wrong:
        problems.append(f"{len(wrong)} outputs wrong")
    if len(failed) == 2:
        problems.append("both ended with an error")
    extra = {"errors": len(failed), "said": last_line(space, failed[0]) if failed else ""}
    return Rep(wall, sum(o.peak_bytes for o in outcomes), not problems, "; ".join(problems), extra=extra)


def failures(space, limit_secs):
    """Some stages fail: what follows from them is not executed, everything else is, and the exit code says it."""
    space.ledger.clear()
    failing = space.graph.failing()
    names = space.tool.ledger_names(space.graph, space.project)
    space.ledger.fail(names[stage] for stage in failing)
    outcome = finish(space.run(space.tool.run(space.project, space.jobs, keep_going=True), limit_secs))
    # One that is to fail, but follows from another one, is not even tried.
    expected = set(space.graph.stages) - space.graph.follows(failing)
    return judge(space, outcome, expected, code=1, outputs=False)


def big_cold(space, limit_secs):
    """As `noop`, after the inputs were dropped from the page cache."""
    for name in space.graph["download-m0"].sources:
        measure.evict(os.path.join(space.project, name))
    return noop(space, limit_secs)


ACTIONS = {
    "version": version,
    "plan-empty": plan,
    "plan-done": plan,
    "cold": cold,
    "noop": noop,
    "parameter": parameter,
    "touched": touched,
    "killed": killed,
    "two-runs": two_runs,
    "failures": failures,
    "big-first": cold,
    "big-cold": big_cold,
    "big-noop": noop,
    "big-touched": touched,
}
