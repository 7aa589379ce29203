//! What stands below the help of each command: how people use it, and what to know beside its
//! options. The tests read every line as a shell would.

pub(super) const CAGENT: &str = "\
A JOB is its id, or at least 4 characters of its beginning or its end.

First steps:
  cagent doctor                # what this machine can do, and the cure
  cagent run 'write and test a prime sieve' --output primes.zip
  cagent serve                 # and its pages at http://127.0.0.1:8000";

pub(super) const SERVE: &str = "\
Examples:
  cagent serve
  cagent serve --engine docker,local --concurrency 8
  cagent serve --listen 0.0.0.0:8000     # needs keys: cagent key create NAME";

pub(super) const RUN: &str = "\
Limits, each with what it is unless the server's operator decided otherwise:
  cpus=2                  cores
  memory_bytes=2G         of all processes; sizes take K, M and G, of 1024
  processes=512           and threads, at one time
  open_files=4096         of one process
  disk_bytes=4G           the whole workspace
  file_bytes=4G           one file
  wall_seconds=1h         from its start to its end; times take s, m and h
  output_bytes=1G         all it prints
  steps=1000              of an agent, as those below
  model_calls=1000        calls of models, also those that failed
  model_tokens=50000000   read and written together
  cost_usd=10             dollars, where the operator set prices

Exit code: 0 complete, 130 cancelled, 2 cagent could not do it; else that of the
step that failed, or 1.

Examples:
  cagent run 'write a script that prints primes' --output primes.zip
  cagent run task.md --file data.csv --network none
  cagent run - --limit wall_seconds=5m --limit memory_bytes=512M < task.md";

pub(super) const PS: &str = "\
STATUS: scheduled, starting, running, packaging; then complete, error, cancelled

Examples:
  cagent ps --limit 20
  cagent ps --status running,error
  cagent ps -o json | jq -r '.jobs[].job_id'";

pub(super) const STATUS: &str = "\
Examples:
  cagent status 0d351f3c
  cagent status -o json 0d351f3c | jq -r .reason";

pub(super) const LOGS: &str = "\
Examples:
  cagent logs -f 0d351f3c
  cagent logs --stderr 0d351f3c > errors.txt";

pub(super) const WATCH: &str = "\
Keys: j k Enter Esc to move, c cancel, s say, a approve, r reject, d download,
o desktop, q leave. Jobs go on whatever you do here.

Examples:
  cagent watch
  cagent watch 0d351f3c";

pub(super) const TOP: &str = "\
Again and again on a terminal, until Ctrl-C; once in a pipe.

Examples:
  cagent top --sort memory
  cagent top --once
  cagent top -o json";

pub(super) const DIFF: &str = "\
Examples:
  cagent diff --stat 0d351f3c
  cagent diff --base ./src 0d351f3c      # what it changed of what you gave it
  cagent diff --base 3a1be0c2 0d351f3c   # what another job has otherwise";

pub(super) const SAY: &str = "\
Examples:
  cagent say 0d351f3c use pytest, not unittest";

pub(super) const APPROVE: &str = "\
Examples:
  cagent approve 0d351f3c
  cagent approve --step 3 0d351f3c       # only if it still waits with this one
  cagent approve 0d351f3c --reject 'do not touch that file'";

pub(super) const ATTACH: &str = "\
Ctrl-C is for what runs in the shell. Enter ~ . leaves one that does not answer.
The exit code is the shell's.

Examples:
  cagent attach 0d351f3c";

pub(super) const EXEC: &str = "\
Examples:
  cagent exec 0d351f3c -- git diff --stat
  cagent exec -it 0d351f3c -- python3
  tar c data | cagent exec -i 0d351f3c -- tar x";

pub(super) const OPEN: &str = "\
The link is for one use, within a minute.

Examples:
  cagent open 0d351f3c                   # the desktop
  cagent open --browser 0d351f3c jupyter
  cagent open 0d351f3c 8080              # what the job serves there";

pub(super) const VNC: &str = "\
Until Ctrl-C.

Examples:
  cagent vnc 0d351f3c                    # then: vncviewer 127.0.0.1:5900
  cagent vnc --watch --port 5901 0d351f3c";

pub(super) const CANCEL: &str = "\
What there is of its files is packed: cagent download gets it.

Examples:
  cagent cancel 0d351f3c";

pub(super) const RESUME: &str = "\
cagent status says whether that can be.

Examples:
  cagent resume 0d351f3c";

pub(super) const DOWNLOAD: &str = "\
Examples:
  cagent download 0d351f3c
  cagent download --output result.zip 0d351f3c
  cagent download --output - 0d351f3c | bsdtar -tf -";

pub(super) const FILES: &str = "\
Examples:
  cagent files 0d351f3c
  cagent files 0d351f3c src/tests";

pub(super) const CP: &str = "\
Examples:
  cagent cp 0d351f3c:report.txt .
  cagent cp data.csv 0d351f3c:data/data.csv
  cagent cp 0d351f3c:report.txt - | less";

pub(super) const DELETE: &str = "\
Examples:
  cagent delete 0d351f3c 3a1be0c2";

pub(super) const KEY_CREATE: &str = "\
Examples:
  cagent key create ci --scope submit --expires 30d
  cagent key create me --scope admin";

pub(super) const KEY_LS: &str = "\
Examples:
  cagent key ls";

pub(super) const KEY_REVOKE: &str = "\
Examples:
  cagent key revoke k3XbP9aQ";

pub(super) const IMAGE_BUILD: &str = "\
Examples:
  cagent image build
  cagent image build --target core --tag agent:small";

pub(super) const IMAGE_IMPORT: &str = "\
Examples:
  docker save containerized-agent:latest | cagent image import -
  cagent image import rootfs.tar.gz --name debian:mine";

pub(super) const IMAGE_LS: &str = "\
Examples:
  cagent image ls";

pub(super) const IMAGE_RM: &str = "\
Examples:
  cagent image rm debian:mine";

pub(super) const BACKUP: &str = "\
Examples:
  cagent backup /backup/2026-11-21";

pub(super) const RESTORE: &str = "\
Examples:
  cagent restore /backup/2026-11-21 --data-dir /var/lib/cagent";

pub(super) const DOCTOR: &str = "\
Exit code: 0 if jobs can run, else 1.

Examples:
  cagent doctor
  cagent doctor --engine docker,local    # these instead of the configured ones";

pub(super) const MCP: &str = "\
It speaks on standard input and output: an assistant starts it.

Examples:
  cagent mcp
  cagent mcp --server http://127.0.0.1:8000";

pub(super) const CONFIG: &str = "\
Examples:
  cagent config
  cagent config -o json";

pub(super) const COMPLETIONS: &str = "\
Examples:
  source <(cagent completions bash)
  cagent completions fish > ~/.config/fish/completions/cagent.fish";

#[cfg(test)]
mod tests;
