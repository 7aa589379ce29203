//! The connection to the X server, and what the screen looks like. What is in its memory comes by
//! a file in memory that both have open: read, not mapped.
//!
//! Whoever answers is the job's: a request that gets no answer hangs, and agentd ends this process.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use x11rb::connection::Connection as _;
use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::Event;
use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat, Window};
use x11rb::rust_connection::RustConnection;

use super::picture::{Frame, Size};

/// The most pixels of a screen: 4096 x 4096.
const MOST_PIXELS: u64 = 4096 * 4096;

x11rb::atom_manager! {
    /// What the server calls things.
    pub(super) Atoms:
    AtomsCookie {
        CLIPBOARD,
        TARGETS,
        INCR,
        UTF8_STRING,
        TEXT_UTF8: b"text/plain;charset=utf-8",
        CAGENT_COPIED,
        WM_PROTOCOLS,
        WM_S0,
        _NET_REQUEST_FRAME_EXTENTS,
        _NET_FRAME_EXTENTS,
        _NET_WM_PING,
        _NET_CLIENT_LIST,
        _NET_ACTIVE_WINDOW,
        _NET_WM_NAME,
        _NET_WM_STATE,
        _NET_WM_STATE_HIDDEN,
    }
}

/// Why an order was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It makes no sense, or the server refused it; the next may do.
    Refused(String),
    /// The server is gone.
    Lost(String),
}

pub(super) struct Display {
    pub(super) connection: RustConnection,
    pub(super) root: Window,
    pub(super) atoms: Atoms,
    shared: Option<Shared>,
    /// Room for the next frame: to have the kernel find it anew takes longer than to fill it.
    room: Vec<u8>,
}

/// Memory that the server writes pictures to.
struct Shared {
    segment: u32,
    file: File,
    bytes: u64,
}

impl Display {
    /// Connects to the server that `DISPLAY` names.
    pub(super) fn open() -> Result<Self, Trouble> {
        let (connection, number) = RustConnection::connect(None)?;
        let screen = connection.setup().roots.get(number);
        let screen = screen.ok_or_else(|| Trouble::Lost("the server has no screen".into()))?;
        let root = screen.root;
        let visual = screen.allowed_depths.iter().flat_map(|depth| &depth.visuals);
        let visual = visual.into_iter().find(|visual| visual.visual_id == screen.root_visual);
        let is_ours = visual.is_some_and(|visual| {
            (visual.red_mask, visual.green_mask, visual.blue_mask) == (0xff_0000, 0xff00, 0xff)
        });
        if !is_ours {
            return Err(Trouble::Lost("the screen's pixels are no 24-bit colours".into()));
        }
        let atoms = Atoms::new(&connection)?.reply()?;
        Ok(Self { connection, root, atoms, shared: None, room: vec![] })
    }

    /// What is on the screen. The pointer is not.
    pub(super) fn grab(&mut self) -> Result<Frame, Trouble> {
        let geometry = self.connection.get_geometry(self.root)?.reply()?;
        let (width, height) = (geometry.width, geometry.height);
        let size = Size { width: width.into(), height: height.into() };
        let pixels = u64::from(size.width) * u64::from(size.height);
        if pixels > MOST_PIXELS {
            let why =
                format!("the screen is too large: {width} x {height} pixels; make it smaller");
            return Err(Trouble::Refused(why));
        }
        self.share(4 * pixels)?;
        let (root, all, format) = (self.root, !0, ImageFormat::Z_PIXMAP);
        let bytes = match &self.shared {
            Some(Shared { segment, file, .. }) => {
                let format = format.into();
                let shot = self
                    .connection
                    .shm_get_image(root, 0, 0, width, height, all, format, *segment, 0);
                shot?.reply()?;
                let mut bytes = std::mem::take(&mut self.room);
                bytes.resize(4 * usize::try_from(pixels).unwrap_or(0), 0);
                file.read_exact_at(&mut bytes, 0).map_err(lost)?;
                bytes
            }
            None => {
                self.connection.get_image(format, root, 0, 0, width, height, all)?.reply()?.data
            }
        };
        if bytes.len() as u64 != 4 * pixels {
            return Err(Trouble::Refused("the server sent too few pixels".into()));
        }
        Ok(Frame { size, bytes })
    }

    /// Takes back a frame that nobody needs any more.
    pub(super) fn reuse(&mut self, frame: Frame) {
        self.room = frame.bytes;
    }

    /// Has so much memory together with the server, if the server can do that.
    fn share(&mut self, bytes: u64) -> Result<(), Trouble> {
        if self.shared.as_ref().is_some_and(|shared| shared.bytes >= bytes) {
            return Ok(());
        }
        if let Some(Shared { segment, .. }) = self.shared.take() {
            self.connection.shm_detach(segment)?;
        }
        let memory = memfd_create("screen", MemfdFlags::CLOEXEC).map_err(lost)?;
        ftruncate(&memory, bytes).map_err(lost)?;
        let file = File::from(memory);
        let segment = self.connection.generate_id()?;
        let theirs = OwnedFd::from(file.try_clone().map_err(lost)?);
        let attached = match self.connection.shm_attach_fd(segment, theirs, false) {
            // A server without it has other ways.
            Err(ConnectionError::UnsupportedExtension) => return Ok(()),
            cookie => cookie?.check(),
        };
        match attached {
            Ok(()) => self.shared = Some(Shared { segment, file, bytes }),
            Err(ReplyError::X11Error(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The next thing that the server tells, if there is any.
    pub(super) fn event(&self) -> Result<Option<Event>, Trouble> {
        Ok(self.connection.poll_for_event()?)
    }

    /// Waits until the server has something to tell, or the other side; whether that has.
    pub(super) fn wait(&self, other: impl AsFd) -> Result<bool, Trouble> {
        self.poll(&mut [PollFd::new(&other, PollFlags::IN), self.poll_fd()], None)
    }

    /// Waits until the server has something to tell, for so long at most.
    pub(super) fn pause(&self, most: Duration) -> Result<(), Trouble> {
        self.poll(&mut [self.poll_fd()], Some(most)).map(drop)
    }

    fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(self.connection.stream(), PollFlags::IN)
    }

    /// Whether the first of them is ready.
    fn poll(&self, sides: &mut [PollFd<'_>], most: Option<Duration>) -> Result<bool, Trouble> {
        self.connection.flush()?;
        let most = most.and_then(|most| Timespec::try_from(most).ok());
        match poll(sides, most.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(!sides[0].revents().is_empty()),
            Err(error) => Err(lost(error)),
        }
    }

    /// Waits until the server has done all that it was told.
    pub(super) fn settle(&self) -> Result<(), Trouble> {
        self.connection.get_input_focus()?.reply()?;
        Ok(())
    }
}

fn lost(error: impl std::fmt::Display) -> Trouble {
    Trouble::Lost(error.to_string())
}

impl From<ConnectError> for Trouble {
    fn from(error: ConnectError) -> Self {
        lost(error)
    }
}

impl From<ConnectionError> for Trouble {
    fn from(error: ConnectionError) -> Self {
        lost(error)
    }
}

impl From<ReplyError> for Trouble {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::ConnectionError(error) => error.into(),
            ReplyError::X11Error(error) => {
                Self::Refused(format!("the X server refused it: {:?}", error.error_kind))
            }
        }
    }
}

impl From<ReplyOrIdError> for Trouble {
    fn from(error: ReplyOrIdError) -> Self {
        match error {
            ReplyOrIdError::ConnectionError(error) => error.into(),
            other => Self::Refused(other.to_string()),
        }
    }
}
