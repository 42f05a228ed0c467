"""Slurm through Parsl: Slurm jobs that make one run after the other for as long as there are runs to make.

    tcstudy train params/paper --executor parsl:book/cluster/slurm.py

What differs from cluster to cluster is read from environment variables. Whatever else yours needs: copy and change this.
"""

import os
import sysconfig

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.launchers import SimpleLauncher
from parsl.providers import SlurmProvider


def setting(name, default):
    return type(default)(os.environ.get(f"TCSTUDY_SLURM_{name}", default))


PARTITION = setting("PARTITION", "")  # where Slurm jobs are sent; empty: the cluster's default
OPTIONS = setting("OPTIONS", "")  # further lines for sbatch, "#SBATCH --account=..." for example
JOBS = setting("JOBS", 4)  # Slurm jobs at a time
GPUS = setting("GPUS", 1)  # of a Slurm job, which makes so many runs at a time; 0: one run, on its cores
CORES = setting("CORES", 8)  # of a Slurm job
MINUTES = setting("MINUTES", 240)  # until a Slurm job ends; longer than the longest run
ADDRESS = setting("ADDRESS", "")  # of this machine, as the nodes see it; empty: all that it has are tried
PULSE = setting("PULSE", 10)  # seconds between two signs of life; what is silent for six of them is lost

WORKERS = max(1, GPUS)


class Provider(SlurmProvider):
    status_polling_interval = 3 * PULSE  # seconds between two calls of squeue


config = Config(
    executors=[
        HighThroughputExecutor(
            label="slurm",
            address=ADDRESS or None,
            max_workers_per_node=WORKERS,
            cores_per_worker=CORES / WORKERS,
            available_accelerators=GPUS if GPUS > 1 else 0,  # Slurm itself shows a job the only GPU it has
            heartbeat_period=PULSE,
            heartbeat_threshold=6 * PULSE,
            block_error_handler=windowed_error_handler,  # three Slurm jobs in a row that fail are too many
            drain_period=MINUTES * 45,  # after three quarters of its time a Slurm job begins no other run
            provider=Provider(
                partition=PARTITION or None,
                scheduler_options=OPTIONS,
                nodes_per_block=1,
                cores_per_node=CORES,
                gpus_per_node=GPUS or None,
                exclusive=False,
                walltime=f"{MINUTES // 60:02}:{MINUTES % 60:02}:00",
                init_blocks=0,
                min_blocks=0,
                max_blocks=JOBS,
                launcher=SimpleLauncher(),
                cmd_timeout=60,
                worker_init=f"""
                    export PATH={sysconfig.get_path("scripts")}:$PATH
                    export OMP_NUM_THREADS={max(1, CORES // WORKERS)}
                """,
            ),
        )
    ],
    strategy="htex_auto_scale",  # Slurm jobs that have nothing to do are ended
    strategy_period=2,
    max_idletime=6 * PULSE,
)
