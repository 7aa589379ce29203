//! An X server, a helper on it, and programs to look at.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// What a test needs of the machine.
const CURE: &str = "install it: apt-get install tigervnc-standalone-server openbox xterm x11-utils x11-xserver-utils xsel";

pub(crate) struct Desk {
    pub(crate) dir: TempDir,
    pub(crate) display: String,
    helper: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    server: Child,
    programs: Vec<Child>,
}

/// What the helper said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) ok: bool,
    pub(crate) text: String,
    pub(crate) png: Vec<u8>,
}

impl Desk {
    pub(crate) fn new(geometry: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("rfb");
        let mut server = Command::new("Xvnc")
            .args(["-displayfd", "1", "-geometry", geometry, "-depth", "24", "-rfbport", "-1"])
            .args(["-rfbunixpath".as_ref(), socket.as_os_str()])
            .args(["-nolisten", "tcp", "-SecurityTypes", "None", "-AcceptSetDesktopSize"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("Xvnc: {error}; {CURE}"));
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let display = format!(":{}", number.trim());
        let mut helper = Command::new(env!("CARGO_BIN_EXE_agentd"))
            .arg("screen")
            .env("DISPLAY", &display)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = helper.stdin.take().unwrap();
        let answers = BufReader::new(helper.stdout.take().unwrap());
        Self { dir, display, helper, orders, answers, server, programs: vec![] }
    }

    /// Starts a program there.
    pub(crate) fn start(&mut self, program: &str, arguments: &[&str]) {
        let started = self.command(program, arguments).spawn();
        self.programs.push(started.unwrap_or_else(|error| panic!("{program}: {error}; {CURE}")));
    }

    /// Has its windows managed; by which process.
    pub(crate) fn manage(&mut self) -> u32 {
        let there = self.dir.path().join("managed");
        self.start("openbox", &["--startup", &format!("cp /etc/hostname {}", there.display())]);
        let manager = self.programs.last().unwrap().id();
        self.until_file("managed", |text| !text.is_empty());
        assert!(self.ask(&json!("managed")).ok);
        manager
    }

    /// Makes it as large as a viewer's window.
    pub(crate) fn resize(&self, width: u16, height: u16) {
        let mut viewer = UnixStream::connect(self.dir.path().join("rfb")).unwrap();
        viewer.write_all(b"RFB 003.008\n\x01\x01").unwrap();
        // Versions, types, the result, size and format; then the name of the desktop.
        let mut head = [0; 12 + 2 + 4 + 24];
        viewer.read_exact(&mut head).unwrap();
        let name = u32::from_be_bytes(head[38..].try_into().unwrap());
        viewer.read_exact(&mut vec![0; name as usize]).unwrap();
        // That it takes news of sizes (-308); of all there is to show; the size, of one screen.
        viewer.write_all(&[2, 0, 0, 1]).unwrap();
        viewer.write_all(&(-308_i32).to_be_bytes()).unwrap();
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        viewer
            .write_all(&[&[251, 0], &size[..], &[1, 0], &[0; 8], &size[..], &[0; 4]].concat())
            .unwrap();
        viewer.write_all(&[&[3, 0, 0, 0, 0, 0], &size[..]].concat()).unwrap();
        // An update, which says what became of it.
        viewer.read_exact(&mut [0; 16]).unwrap();
        let wanted = format!("dimensions:    {width}x{height} pixels");
        let began = Instant::now();
        while !self.run("xdpyinfo", &[]).contains(&wanted) {
            assert!(began.elapsed() < PATIENCE, "the screen does not become {width} x {height}");
        }
    }

    /// Runs a program there to its end; what it wrote.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments).stderr(Stdio::piped()).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}; {CURE}"));
        assert!(output.status.success(), "{program}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("DISPLAY", &self.display).env("LC_ALL", "C.UTF-8");
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub(crate) fn ask(&mut self, request: &Value) -> Told {
        writeln!(self.orders, "{request}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let mut png = vec![0; usize::try_from(answer["picture"].as_u64().unwrap()).unwrap()];
        self.answers.read_exact(&mut png).unwrap();
        let text = answer["text"].as_str().unwrap().to_owned();
        Told { ok: answer["ok"].as_bool().unwrap(), text, png }
    }

    /// Gives an order that has to be done.
    pub(crate) fn does(&mut self, order: Value, show: &str) -> Told {
        let told = self.ask(&json!({ "do": { "order": order, "show": show } }));
        assert!(told.ok, "{order}: {}", told.text);
        told
    }

    /// Gives one that cannot be done; why.
    pub(crate) fn refuses(&mut self, order: Value) -> String {
        let told = self.ask(&json!({ "do": { "order": order, "show": "words" } }));
        assert!(!told.ok, "{order}: {}", told.text);
        told.text
    }

    pub(crate) fn stop_server(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// How the helper ends by itself.
    pub(crate) fn helper_ends(&mut self) -> Option<i32> {
        self.helper.wait().unwrap().code()
    }

    /// Waits until the windows in words say this of one that is to be seen.
    pub(crate) fn until_it_says(&mut self, what: &str) -> String {
        let began = Instant::now();
        loop {
            let text = self.does(json!("windows"), "words").text;
            if text.lines().any(|line| line.contains(what) && !line.ends_with("minimised")) {
                return text;
            }
            assert!(began.elapsed() < PATIENCE, "{what:?} is not in {text:?}");
            self.does(json!({ "wait": { "seconds": 1 } }), "words");
        }
    }

    /// Waits until the clipboard holds this text.
    pub(crate) fn until_it_holds(&mut self, text: &str) {
        let (began, wanted) = (Instant::now(), format!("it holds:\n{text}"));
        loop {
            let told = self.does(json!("clipboard"), "words").text;
            if told == wanted {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "the clipboard: {told:?}");
        }
    }

    /// Waits until a file is there whose content this accepts.
    pub(crate) fn until_file(&self, name: &str, is: impl Fn(&str) -> bool) -> String {
        let (began, path) = (Instant::now(), self.dir.path().join(name));
        loop {
            let text = read(&path);
            if is(&text) {
                return text;
            }
            assert!(began.elapsed() < PATIENCE, "{name}: {text:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

impl Drop for Desk {
    fn drop(&mut self) {
        for child in self.programs.iter_mut().chain([&mut self.helper, &mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Told {
    /// Size and pixels of its picture.
    pub(crate) fn picture(&self) -> (u32, u32, Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(&self.png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        (info.width, info.height, rgb)
    }

    /// The colour of one pixel.
    pub(crate) fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let (width, _, rgb) = self.picture();
        let at = 3 * (y * width + x) as usize;
        rgb[at..at + 3].try_into().unwrap()
    }
}
