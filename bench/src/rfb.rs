//! As much of RFB as measuring takes: sees a screen uncompressed, and clicks.

use anyhow::{Context as _, bail, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use testkit::PATIENCE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const VERSION: &[u8] = b"RFB 003.008\n";
/// The only way to log in that is spoken here: there is nothing to say.
const NO_PASSWORD: u8 = 1;
/// Bytes of a pixel.
const DEPTH: usize = 4;

/// On what the bytes come.
#[derive(Debug)]
pub(crate) enum Way {
    Unix(UnixStream),
    Web(Box<WebSocketStream<TcpStream>>),
}

/// Somebody who looks at a screen. Asks for the next change as soon as one is there.
#[derive(Debug)]
pub(crate) struct Viewer {
    way: Way,
    unread: BytesMut,
    width: u16,
    height: u16,
}

/// A part of the screen, as it has become.
#[derive(Debug)]
struct Area {
    x: u16,
    y: u16,
    width: u16,
    height: u16,
    pixels: Bytes,
}

/// One pixel, as Xvnc has them: blue, green, red, nothing.
pub(crate) type Pixel = [u8; DEPTH];

impl Viewer {
    /// Is let in.
    pub(crate) async fn new(way: Way) -> anyhow::Result<Self> {
        let mut viewer = Self { way, unread: BytesMut::new(), width: 0, height: 0 };
        let version = viewer.take(VERSION.len()).await?;
        ensure!(version.starts_with(b"RFB "), "this is no RFB: {version:?}");
        viewer.way.send(VERSION).await?;
        let ways = viewer.take(1).await?[0];
        let ways = viewer.take(ways.into()).await?;
        ensure!(ways.contains(&NO_PASSWORD), "a password is wanted");
        viewer.way.send(&[NO_PASSWORD]).await?;
        ensure!(viewer.take(4).await?.get_u32() == 0, "the screen is refused");
        // Others may look too.
        viewer.way.send(&[1]).await?;
        let mut screen = viewer.take(24).await?;
        (viewer.width, viewer.height) = (screen.get_u16(), screen.get_u16());
        ensure!(usize::from(screen.get_u8()) == 8 * DEPTH, "a pixel has other than {DEPTH} bytes");
        let name = screen.slice(screen.len() - 4..).get_u32();
        viewer.take(name.try_into()?).await?;
        Ok(viewer)
    }

    /// Waits for the whole screen.
    pub(crate) async fn frame(&mut self) -> anyhow::Result<()> {
        self.ask(false).await?;
        let (all, mut seen) = (u32::from(self.width) * u32::from(self.height), 0);
        while seen < all {
            seen += self.update().await?.iter().map(Area::size).sum::<u32>();
        }
        Ok(())
    }

    /// Waits until this place looks as wanted, and says how it looks.
    pub(crate) async fn until(
        &mut self,
        place: (u16, u16),
        wanted: impl Fn(Pixel) -> bool,
    ) -> anyhow::Result<Pixel> {
        loop {
            let areas = self.update().await?;
            let mut seen = areas.iter().filter_map(|area| area.pixel(place));
            if let Some(pixel) = seen.find(|pixel| wanted(*pixel)) {
                return Ok(pixel);
            }
        }
    }

    /// Presses the left button there and lets go.
    pub(crate) async fn click(&mut self, (x, y): (u16, u16)) -> anyhow::Result<()> {
        let at = [x.to_be_bytes(), y.to_be_bytes()].concat();
        self.way.send(&[&[5, 1], &at[..], &[5, 0], &at].concat()).await
    }

    /// Asks for the screen: as it is, or what changes of it from here on.
    pub(crate) async fn ask(&mut self, only_changes: bool) -> anyhow::Result<()> {
        let size = [self.width.to_be_bytes(), self.height.to_be_bytes()].concat();
        self.way.send(&[&[3, only_changes.into(), 0, 0, 0, 0], &size[..]].concat()).await
    }

    /// What has changed, once something has.
    async fn update(&mut self) -> anyhow::Result<Vec<Area>> {
        loop {
            match self.take(1).await?[0] {
                0 => break,
                // A bell.
                2 => {}
                // A clipboard.
                3 => {
                    let length = self.take(7).await?.slice(3..).get_u32();
                    self.take(length.try_into()?).await?;
                }
                other => bail!("an unknown message {other}"),
            }
        }
        let count = self.take(3).await?.slice(1..).get_u16();
        let mut areas = vec![];
        for _ in 0..count {
            areas.push(self.area().await?);
        }
        self.ask(true).await?;
        Ok(areas)
    }

    async fn area(&mut self) -> anyhow::Result<Area> {
        let mut head = self.take(12).await?;
        let (x, y) = (head.get_u16(), head.get_u16());
        let (width, height) = (head.get_u16(), head.get_u16());
        ensure!(head.get_i32() == 0, "an area that is compressed");
        let pixels = self.take(usize::from(width) * usize::from(height) * DEPTH).await?;
        Ok(Area { x, y, width, height, pixels })
    }

    async fn take(&mut self, length: usize) -> anyhow::Result<Bytes> {
        while self.unread.len() < length {
            self.unread.reserve(length - self.unread.len());
            let more = self.way.read(&mut self.unread);
            timeout(PATIENCE, more).await.context("wait for the screen")??;
        }
        Ok(self.unread.split_to(length).freeze())
    }
}

impl Area {
    fn size(&self) -> u32 {
        u32::from(self.width) * u32::from(self.height)
    }

    fn pixel(&self, (x, y): (u16, u16)) -> Option<Pixel> {
        let (x, y) = (x.checked_sub(self.x)?, y.checked_sub(self.y)?);
        let is_here = x < self.width && y < self.height;
        let at = (usize::from(y) * usize::from(self.width) + usize::from(x)) * DEPTH;
        is_here.then(|| self.pixels.get(at..at + DEPTH)?.try_into().ok()).flatten()
    }
}

impl Way {
    async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(bytes).await?,
            Self::Web(socket) => socket.send(Message::binary(bytes.to_vec())).await?,
        }
        Ok(())
    }

    async fn read(&mut self, into: &mut BytesMut) -> anyhow::Result<()> {
        match self {
            Self::Unix(stream) => {
                ensure!(stream.read_buf(into).await? > 0, "the screen went away");
            }
            Self::Web(socket) => match socket.next().await.context("the screen went away")?? {
                Message::Binary(bytes) => into.extend_from_slice(&bytes),
                Message::Close(why) => bail!("the screen went away: {why:?}"),
                _ => {}
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_has_the_pixels_that_are_in_it() {
        let pixels = (0..2 * 3 * 4).collect::<Vec<u8>>().into();
        let area = Area { x: 10, y: 20, width: 2, height: 3, pixels };
        assert_eq!(area.pixel((11, 21)), Some([12, 13, 14, 15]));
        assert_eq!(area.size(), 6);
        for outside in [(9, 20), (12, 20), (10, 19), (10, 23)] {
            assert_eq!(area.pixel(outside), None, "{outside:?}");
        }
    }
}
