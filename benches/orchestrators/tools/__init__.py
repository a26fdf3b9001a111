"""The tools that are compared, each with its default and its documented fast settings."""

from orchestrators.tools.dvc import Dvc, FastDvc
from orchestrators.tools.loop import Loop
from orchestrators.tools.redun import FastRedun, Redun
from orchestrators.tools.snakemake import FastSnakemake, Snakemake
from orchestrators.tools.tacq import BareTacqSweep, TacqSweep
from orchestrators.tools.tango import Tango


def all_tools(venvs, programs):
    """All of them by name, tacq-sweep first."""
    tools = [TacqSweep(venvs, programs), BareTacqSweep(venvs, programs)]
    tools += [tool(venvs) for tool in (Dvc, FastDvc, Snakemake, FastSnakemake, Redun, FastRedun, Tango, Loop)]
    return {tool.name: tool for tool in tools}
