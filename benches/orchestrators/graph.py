"""The graph that all tools run: a sweep in the shape of TaCQ's (arXiv 2504.07389), stage by stage."""

import dataclasses
import itertools

# Of each kind but the report: the axes that tell its stages apart, the kinds that it reads on the same indices, and the
# user's files.
RULES = {
    "download": ("m", (), ("sources/m{m}/config.json",)),
    "calibrate": ("md", ("download",), ("sources/c{d}.txt",)),
    "gradients": ("md", ("calibrate", "download"), ()),
    "quantize": ("mdb", ("calibrate", "download"), ()),
    "saliency": ("mdb", ("gradients", "download", "quantize"), ()),
    "select": ("mdbr", ("saliency",), ()),
    "mixed_quantize": ("mdbr", ("calibrate", "select", "download"), ()),
    "evaluate": ("mdbre", ("mixed_quantize", "download"), ("sources/t{e}.txt",)),
}
KINDS = (*RULES, "report")
SHARD = "sources/m{m}/shard-{k}.safetensors"


@dataclasses.dataclass(frozen=True)
class Shape:
    """Lengths of the axes: models, data sets conditioned on, bit widths, outlier ratios, tasks evaluated on."""

    models: int
    data: int
    bits: int
    ratios: int
    tasks: int

    def counts(self):
        """Stages of each kind, in closed form; the graph is checked against it."""
        m, d, b, r, e = dataclasses.astuple(self)
        return {
            "download": m,
            "calibrate": m * d,
            "gradients": m * d,
            "quantize": m * d * b,
            "saliency": m * d * b,
            "select": m * d * b * r,
            "mixed_quantize": m * d * b * r,
            "evaluate": m * d * b * r * e,
            "report": 1,
        }

    def lengths(self):
        """Number of indices on each axis."""
        return dict(zip("mdbre", dataclasses.astuple(self)))

    def size(self):
        """Number of stages."""
        return sum(self.counts().values())


# By the number of stages that they make.
SHAPES = {
    110: Shape(1, 3, 2, 3, 3),
    983: Shape(2, 5, 3, 5, 4),
    10645: Shape(4, 10, 4, 8, 6),
}


@dataclasses.dataclass(frozen=True)
class Stage:
    """One node: its name, where its output goes for tools that leave that to their user, the stages and the user's
    files that it reads. Indices may be a tool's placeholders, which makes it the pattern of all stages of its kind."""

    kind: str
    at: tuple
    inputs: tuple
    sources: tuple

    @property
    def id(self):
        """Its name in ledgers: `saliency-m0-d1-b0`."""
        return _name(self.kind, dict(self.at))

    @property
    def output(self):
        """Its output file."""
        return _output(self.kind, self.id)

    def index(self, axis):
        """Its index on an axis, or None."""
        return dict(self.at).get(axis)

    def paths(self):
        """Files that it reads: outputs, then the user's."""
        return [*(_output(name.split("-")[0], name) for name in self.inputs), *self.sources]


def _name(kind, at):
    return "-".join([kind, *(f"{axis}{at[axis]}" for axis in at)])


def _output(kind, name):
    return f"out/{kind}/{name}.txt"


class Graph:
    """All stages in topological order. With `shards`, so many files stand for each model, by the names of SHARD."""

    def __init__(self, shape, shards=0):
        self.shape = shape
        self.shards = shards
        self.stages = {}
        lengths = shape.lengths()
        for kind, (axes, _, _) in RULES.items():
            for indices in itertools.product(*(range(lengths[axis]) for axis in axes)):
                self._add(self.stage(kind, dict(zip(axes, indices))))
        # In the order in which a shell sorts their files.
        evaluations = sorted(self.of_kind("evaluate"), key=lambda stage: stage.output)
        self._add(Stage("report", (), tuple(stage.id for stage in evaluations), ()))
        counts = {kind: len(self.of_kind(kind)) for kind in KINDS}
        assert counts == shape.counts(), (counts, shape.counts())

    def stage(self, kind, at):
        """The stage of a kind at these indices, by axis."""
        axes, inputs, sources = RULES[kind]
        names = (_name(other, {axis: at[axis] for axis in RULES[other][0]}) for other in inputs)
        if kind == "download" and self.shards:
            sources = [SHARD.replace("{k}", str(k)) for k in range(self.shards)]
        own = tuple((axis, at[axis]) for axis in axes)
        return Stage(kind, own, tuple(names), tuple(source.format(**at) for source in sources))

    def _add(self, added):
        assert all(name in self.stages for name in added.inputs), added
        self.stages[added.id] = added

    def __iter__(self):
        return iter(self.stages.values())

    def __len__(self):
        return len(self.stages)

    def __getitem__(self, name):
        return self.stages[name]

    def of_kind(self, kind):
        """Stages of a kind, in order."""
        return [stage for stage in self if stage.kind == kind]

    def edges(self):
        """Pairs of a stage and one that it reads."""
        return sum(len(stage.inputs) for stage in self)

    def source_edges(self):
        """Pairs of a stage and a user's file that it reads."""
        return sum(len(stage.sources) for stage in self)

    def follows(self, names):
        """All stages that follow from the given ones; these are among them only if they follow from each other."""
        reached, found = set(names), set()
        for stage in self:
            if not reached.isdisjoint(stage.inputs):
                reached.add(stage.id)
                found.add(stage.id)
        return found

    def failing(self):
        """One stage of a hundred, evenly spaced, never a first or last one."""
        inner = [stage.id for kind in KINDS[1:-1] for stage in self.of_kind(kind)]
        n = max(1, len(self) // 100)
        return {inner[(4 * i + 1) * len(inner) // (4 * n)] for i in range(n)}

    def leaves_of_task(self, task):
        """What another parameter of one task changes: its evaluations and the report."""
        return {s.id for s in self if s.kind == "report" or s.index("e") == task}

