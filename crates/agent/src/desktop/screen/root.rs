//! What is behind all windows: how large it is, and its colour.

use x11rb::protocol::randr::{ConnectionExt as _, Rotation, ScreenSize};
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _};

use super::display::{Display, Trouble};

/// Dark grey: black is what something broken looks like.
const BACKGROUND: u32 = 0x2e_3436;

/// As far as we know it: sizes, not monitors.
const RANDR: (u32, u32) = (1, 1);

impl Display {
    /// Gives the background its colour.
    pub(super) fn paint(&self) -> Result<(), Trouble> {
        let colour = ChangeWindowAttributesAux::new().background_pixel(BACKGROUND);
        self.connection.change_window_attributes(self.root, &colour)?;
        self.connection.clear_area(false, self.root, 0, 0, 0, 0)?;
        self.settle()
    }

    /// Makes the screen so large, if that is one of the sizes that the server offers; whether it was
    /// not before.
    pub(super) fn resize(&self, width: u16, height: u16) -> Result<bool, Trouble> {
        let before = self.connection.get_geometry(self.root)?.reply()?;
        if (before.width, before.height) == (width, height) {
            return Ok(false);
        }
        self.connection.randr_query_version(RANDR.0, RANDR.1)?.reply()?;
        let info = self.connection.randr_get_screen_info(self.root)?.reply()?;
        let is_it = |size: &ScreenSize| (size.width, size.height) == (width, height);
        let Some(index) = info.sizes.iter().position(is_it) else {
            return Err(Trouble::Refused(format!("the screen cannot be {width} x {height}")));
        };
        let (now, upright) = (x11rb::CURRENT_TIME, Rotation::ROTATE0);
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        let set = self.connection.randr_set_screen_config(
            self.root,
            now,
            info.config_timestamp,
            index,
            upright,
            0,
        )?;
        set.reply()?;
        Ok(true)
    }
}
