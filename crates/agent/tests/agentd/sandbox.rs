//! Namespaces around agentd, made by `unshare`.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use protocol::{AgentSpec, Assignment, Checkpoint, CommandUser};
use runbook::{Block, Program, Runbook, Work};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use types::JobId;

use crate::gateway::{Gateway, Hosts, Model, PATIENCE};
use crate::log::Log;

/// What the namespaces look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// One ordinary user without any capability, as in a sandbox made without root.
    One,
    /// agentd with SETUID, SETGID and KILL only, commands as uid 1000.
    Two,
}

#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) dir: TempDir,
    pub(crate) gateway: Gateway,
    pid: Pid,
    ended: Receiver<ExitStatus>,
}

impl Sandbox {
    pub(crate) fn start(blocks: Vec<Block>) -> Self {
        Self::start_as(Users::One, blocks, None)
    }

    pub(crate) fn start_as(
        users: Users,
        blocks: Vec<Block>,
        checkpoint: Option<Checkpoint>,
    ) -> Self {
        let command_user = (users == Users::Two).then_some(CommandUser { uid: 1000, gid: 1000 });
        let spec = AgentSpec { command_user, checkpoint, ..spec(blocks) };
        Self::start_with(users, spec, Hosts::new())
    }

    /// One that has a way out to these hosts, and variables of its own.
    pub(crate) fn online(hosts: Hosts, blocks: Vec<Block>) -> Self {
        let environment = [("MINE", "yes"), ("PAGER", "less")].map(|(n, v)| (n.into(), v.into()));
        let spec = AgentSpec { environment: environment.into(), ..spec(blocks) };
        Self::start_with(Users::One, spec, hosts)
    }

    /// One whose first key is replaced before it is used.
    pub(crate) fn with_a_late_hello(blocks: Vec<Block>) -> Self {
        let (dir, no_model) = (rooms(Users::One), Box::new(|_: &_| None));
        let gateway = Gateway::new(&socket(&dir), spec(blocks), Hosts::new(), no_model);
        Self::start_at(dir, Users::One, gateway.with_a_late_hello())
    }

    /// One in the rooms that another one left.
    pub(crate) fn start_resumed(dir: TempDir, spec: AgentSpec) -> Self {
        let no_model = Box::new(|_: &_| panic!("a runbook asks no model"));
        Self::start_in(dir, Users::One, spec, Hosts::new(), no_model)
    }

    fn start_with(users: Users, spec: AgentSpec, hosts: Hosts) -> Self {
        let no_model = Box::new(|_: &_| panic!("a runbook asks no model"));
        Self::start_in(rooms(users), users, spec, hosts, no_model)
    }

    /// One in these rooms, with a model.
    pub(crate) fn start_in(
        dir: TempDir,
        users: Users,
        spec: AgentSpec,
        hosts: Hosts,
        model: Model,
    ) -> Self {
        let gateway = Gateway::new(&socket(&dir), spec, hosts, model);
        Self::start_at(dir, users, gateway)
    }

    /// One with this gateway.
    fn start_at(dir: TempDir, users: Users, mut gateway: Gateway) -> Self {
        let mut command = agentd(users, dir.path());
        gateway.start();
        command.stderr(File::create(dir.path().join("agentd.err")).unwrap());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; install util-linux, these tests need its `unshare`")
        });
        let pid = Pid::from_child(&child);
        let (end, ended) = mpsc::channel();
        thread::spawn(move || end.send(child.wait().unwrap()));
        Self { dir, gateway, pid, ended }
    }

    pub(crate) fn workspace(&self, path: &str) -> PathBuf {
        self.dir.path().join("workspace").join(path)
    }

    /// Pid of agentd, seen from outside.
    pub(crate) fn agentd_pid(&self) -> String {
        let pid = self.pid.as_raw_pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.trim().to_owned()
    }

    /// Waits until agentd ends by itself and checks that it kept to the protocol.
    pub(crate) fn finish(self) -> (Log, TempDir) {
        let status = self.ended.recv_timeout(PATIENCE).unwrap();
        let complaint = fs::read_to_string(self.dir.path().join("agentd.err")).unwrap();
        assert!(
            status.success(),
            "agentd: {status}: {complaint}\n(needs user namespaces and unshare >= 2.38)"
        );
        let Self { dir, gateway, .. } = self;
        let log = gateway.into_log();
        assert_eq!(log.wrong, Vec::<String>::new());
        assert_eq!(log.repeated, 0, "reports came twice");
        assert_eq!(log.unwanted, 0, "connections nobody waited for");
        assert_eq!(complaint, "");
        assert_eq!(fs::read_dir(dir.path().join("steps")).unwrap().count(), 0, "step files stay");
        (log, dir)
    }

    /// Whether agentd goes on for so long.
    pub(crate) fn lives(&self, time: Duration) -> bool {
        self.ended.recv_timeout(time).is_err()
    }

    /// Waits until agentd ends with an error; what it said.
    pub(crate) fn fail(self) -> String {
        let status = self.ended.recv_timeout(PATIENCE).unwrap();
        assert_eq!(status.code(), Some(1), "{status}");
        fs::read_to_string(self.dir.path().join("agentd.err")).unwrap()
    }

    /// Kills agentd, and with it the sandbox.
    pub(crate) fn kill(self) -> Log {
        self.kill_keeping().0
    }

    /// The same; its rooms stay, but for what a new sandbox has anew.
    pub(crate) fn kill_keeping(self) -> (Log, TempDir) {
        kill_process(self.pid, Signal::KILL).unwrap();
        self.ended.recv_timeout(PATIENCE).unwrap();
        let steps = self.dir.path().join("steps");
        fs::remove_dir_all(&steps).unwrap();
        fs::create_dir(&steps).unwrap();
        (self.gateway.into_log(), self.dir)
    }
}

/// Runs blocks to the end.
pub(crate) fn run(blocks: Vec<Block>) -> Log {
    Sandbox::start(blocks).finish().0
}

pub(crate) fn spec(blocks: Vec<Block>) -> AgentSpec {
    AgentSpec {
        job: JobId::generate(),
        assignment: Assignment::Runbook { runbook: Runbook { title: None, blocks } },
        approve: false,
        include_caches: false,
        command_user: None,
        environment: std::collections::BTreeMap::new(),
        desktop: false,
        checkpoint: None,
        resumes: None,
    }
}

pub(crate) fn rooms(users: Users) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["workspace", "steps", "home", "gateway", "run"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    // The test's own target directory may be closed to others.
    fs::copy(env!("CARGO_BIN_EXE_agentd"), dir.path().join("agentd")).unwrap();
    if users == Users::Two {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["workspace", "home"] {
            std::os::unix::fs::chown(dir.path().join(name), Some(1000), Some(1000)).unwrap();
            let mode = fs::Permissions::from_mode(0o700);
            fs::set_permissions(dir.path().join(name), mode).unwrap();
        }
    }
    dir
}

/// Where the gateway listens; agentd sees its directory as `run`.
fn socket(dir: &TempDir) -> PathBuf {
    dir.path().join("gateway/gateway.sock")
}

const FURNISH: &str = "mount --bind \"$0/gateway\" \"$0/run\"; ip link set lo up; exec \"$@\"";

fn agentd(users: Users, dir: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--net", "--fork", "--kill-child", "--mount-proc"]);
    match users {
        Users::One => {
            // Whoever furnishes it has capabilities; agentd is to have none.
            command.args(["--user", "--map-root-user", "sh", "-ec", FURNISH]).arg(dir);
            command.args(["unshare", "--user", "--map-user=1000", "--map-group=1000"]);
        }
        Users::Two => {
            let caps = "-all,+setuid,+setgid,+kill";
            command.args(["sh", "-ec", FURNISH]).arg(dir);
            command.args(["setpriv", "--no-new-privs", "--inh-caps=-all"]);
            command.arg(format!("--bounding-set={caps}"));
        }
    }
    command.arg(dir.join("agentd"));
    for (name, file) in
        [("--gateway", "run/gateway.sock"), ("--steps", "steps"), ("--workspace", "workspace")]
    {
        command.arg(name).arg(dir.join(file));
    }
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
    command.env("HOME", dir.join("home")).env("SECRET", "not for commands");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A block with all the usual settings.
pub(crate) fn block(program: Program, code: &str) -> Block {
    let work = Work::Run {
        program,
        code: code.into(),
        timeout_seconds: None,
        continue_on_error: false,
        expect_exit: 0,
        cwd: None,
    };
    Block { line: 7, title: "a block".into(), work }
}

pub(crate) fn bash(code: &str) -> Block {
    block(Program::Bash, code)
}

pub(crate) fn file(path: &str, content: &[u8]) -> Block {
    let work = Work::File { path: path.into(), content: content.into() };
    Block { line: 7, title: path.into(), work }
}

/// Changes the settings of a block that runs.
pub(crate) trait Setting {
    fn tolerant(self) -> Self;
    fn expecting(self, code: i32) -> Self;
    fn limited(self, seconds: u32) -> Self;
    fn within(self, dir: &str) -> Self;
}

macro_rules! set {
    ($block:ident, $field:ident, $value:expr) => {{
        let Work::Run { $field, .. } = &mut $block.work else { panic!("not a block that runs") };
        *$field = $value;
        $block
    }};
}

impl Setting for Block {
    fn tolerant(mut self) -> Self {
        set!(self, continue_on_error, true)
    }
    fn expecting(mut self, code: i32) -> Self {
        set!(self, expect_exit, code)
    }
    fn limited(mut self, seconds: u32) -> Self {
        set!(self, timeout_seconds, Some(seconds))
    }
    fn within(mut self, dir: &str) -> Self {
        set!(self, cwd, Some(dir.into()))
    }
}
