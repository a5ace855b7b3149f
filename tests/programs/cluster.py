"""A throw-away SLURM on this machine: munge, a controller and two nodes on the loopback interface, without systemd or
cgroups, in a scratch folder. The daemons stay in the foreground as children of the test: it ends them by their own
pids, and they end with it should it be killed."""

import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
PR_SET_PDEATHSIG = 1
NODE_CORES = 4  # each node's; the machine may have fewer
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}

CONFIGURATION = """\
ClusterName=longspan
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n/spool
TmpFS={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
MpiDefault=pmix
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=20
ReturnToService=2
MinJobAge=3600
MaxArraySize=100
MailProg=/usr/bin/true
SlurmdParameters=config_overrides
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first_port}-{second_port}] CPUs={cores} RealMemory=1000
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=ALL MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str:
    """Why the daemons cannot run here; empty where they can."""
    absent = [name for name in DAEMONS if shutil.which(name, path=PATH) is None]
    return f"{', '.join(absent)} not installed" if absent else ""


def free_ports() -> list[int]:
    """A port, and two that follow each other."""
    while True:
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            port = two.getsockname()[1]
            try:
                three.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return [one.getsockname()[1], port, port + 1]


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Cluster:
    """`checkout`: where jobs are submitted from."""

    def __init__(self, folder: Path, checkout: Path):
        self.folder, self.checkout = folder, checkout
        self.processes: list[subprocess.Popen] = []
        for name in ("state", "munge", "n1/spool", "n2/spool"):
            (folder / name).mkdir(parents=True)
        (folder / "state").chmod(0o700)
        folder.chmod(0o755)
        controller, first, second = free_ports()
        self.configuration = folder / "slurm.conf"
        self.configuration.write_text(CONFIGURATION.format(
            folder=folder, host=socket.gethostname().split(".")[0], user=getpass.getuser(), cores=NODE_CORES,
            controller_port=controller, first_port=first, second_port=second))
        (folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        # Two nodes on one host: shared memory would be taken for two machines'. More ranks than cores, unknown to MPI.
        self.environment = os.environ | {
            "PATH": PATH, "SLURM_CONF": str(self.configuration), "OMPI_MCA_btl": "self,tcp",
            "OMPI_MCA_btl_tcp_if_include": "lo", "OMPI_MCA_mpi_yield_when_idle": "1", "OMP_PROC_BIND": "false"}
        self.environment.pop("OMP_NUM_THREADS", None)  # as in a user's shell: the jobs set it

    def start(self):
        key = self.folder / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.daemon("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge/socket",
                    f"--pid-file={self.folder}/munge/pid", f"--log-file={self.folder}/munge/log",
                    f"--seed-file={self.folder}/munge/seed", "--num-threads=2")
        self.wait_for("munge's socket", lambda: (self.folder / "munge/socket").exists())
        self.daemon("slurmctld", "-D", "-c")
        self.daemon("slurmd", "-D", "-N", "n1")
        self.daemon("slurmd", "-D", "-N", "n2")
        self.wait_for("two idle nodes", lambda: self.run("sinfo", "-h", "-N", "-p", "batch", "-t", "idle", "-o", "%N",
                                                         expected=None).stdout.split() == ["n1", "n2"])

    def daemon(self, *words: str):
        log = open(self.folder / "daemons.log", "a")
        self.processes.append(subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                               stderr=log, preexec_fn=end_with_parent))
        log.close()

    def stop(self):
        """Jobs first: a job's processes outlive the daemons."""
        try:
            jobs = self.run("squeue", "-h", "-o", "%A", expected=None).stdout.split()
            if jobs:
                self.run("scancel", "--signal=KILL", "--full", *jobs, expected=None)
                self.run("scancel", *jobs, expected=None)
                self.wait_for("the end of all jobs", lambda: not self.run(
                    "squeue", "-h", "-o", "%A", expected=None).stdout.split(), 30)
        finally:
            for process in reversed(self.processes):
                process.terminate()
            for process in reversed(self.processes):
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def wait_for(self, what: str, reached, limit: float = 60):
        deadline = time.monotonic() + limit
        while not reached():
            for process in self.processes:
                assert process.poll() is None, f"{process.args} ended\n{self.logs()}"
            assert time.monotonic() < deadline, f"no {what} after {limit} s\n{self.logs()}"
            time.sleep(0.05)

    def logs(self) -> str:
        return "\n".join(f"--- {log}\n{log.read_text()[-3000:]}" for log in sorted(self.folder.rglob("*.log")))

    def run(self, *words: str, expected: int | None = 0, **more: str) -> subprocess.CompletedProcess:
        """A command of SLURM, with `more` in its environment."""
        result = subprocess.run(words, env=self.environment | more, capture_output=True, text=True, timeout=30,
                                cwd=self.checkout)
        assert expected is None or result.returncode == expected, f"{words}: {result}"
        return result

    def submit(self, *words: str, **more: str) -> int:
        return int(self.run("sbatch", "--parsable", *words, **more).stdout.split(";")[0])

    def job(self, job: int | str) -> dict[str, str]:
        """What scontrol shows of it."""
        shown = self.run("scontrol", "show", "job", "-o", str(job)).stdout
        return dict(word.split("=", 1) for word in shown.split() if "=" in word)

    def state(self, job: int | str) -> str:
        return self.job(job)["JobState"]

    def wait_for_state(self, job: int | str, states: set[str], limit: float = 60):
        self.wait_for(f"job {job} in {states}", lambda: self.state(job) in states, limit)

    def pause(self, job: int):
        """Stops the ranks of a job for the time being; where SLURM ends a job it lets them go on first."""
        for process in Path("/proc").iterdir():
            try:
                if (process / "comm").read_text() == "longspan-train\n" and \
                        f"\0SLURM_JOB_ID={job}\0" in (process / "environ").read_text():
                    os.kill(int(process.name), signal.SIGSTOP)
            except (OSError, UnicodeDecodeError):
                continue  # no process, or it is gone

    def restart_soon(self, job: int | str):
        """A requeued job would wait two minutes. Within the second of its end its new credential passes for the old
        one, which was revoked."""
        self.wait_for_state(job, {"PENDING"})
        self.run("scontrol", "update", f"JobId={job}", "StartTime=now+2seconds")

    def finish(self, job: int | str, limit: float = 60) -> dict[str, str]:
        self.wait_for_state(job, ENDED, limit)
        return self.job(job)
