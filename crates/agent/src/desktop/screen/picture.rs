//! Pictures of the screen: cut out, scaled down, written as PNG. Pure.

use png::{BitDepth, ColorType, Compression, Encoder};

use super::super::order::Point;

/// The most a model is shown, in pixels: about what the strictest provider takes without scaling it
/// down itself.
const MOST_SHOWN: Size = Size { width: 1280, height: 800 };

/// The largest picture for a model, in bytes. With a colour in one byte, `MOST_SHOWN` is smaller.
const MOST_BYTES: usize = 1024 * 1024;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) size: Size,
}

/// Pixels of the screen: four bytes each, blue, green, red and one that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) size: Size,
    pub(super) bytes: Vec<u8>,
}

impl Size {
    pub(super) fn all(self) -> Area {
        Area { left: 0, top: 0, size: self }
    }

    /// Itself, or what it is scaled down to for a model.
    pub(super) fn shown(self) -> Self {
        let Self { width, height } = self;
        if width <= MOST_SHOWN.width && height <= MOST_SHOWN.height {
            return self;
        }
        // By the side that is too large by more.
        let by_width =
            Self { width: MOST_SHOWN.width, height: part(height, MOST_SHOWN.width, width) };
        let by_height =
            Self { width: part(width, MOST_SHOWN.height, height), height: MOST_SHOWN.height };
        if by_width.height <= MOST_SHOWN.height { by_width } else { by_height }
    }

    /// Where on the screen a point of its picture is.
    pub(super) fn on_screen(self, Point { x, y }: Point) -> Result<Point, String> {
        let shown = self.shown();
        if x >= shown.width || y >= shown.height {
            let Self { width, height } = shown;
            return Err(format!(
                "{x},{y} is not on the screen, which has {width} x {height} pixels"
            ));
        }
        // The middle of what became one pixel.
        let middle = |at: u32, from: u32, to: u32| part(2 * at + 1, from, 2 * to).min(from - 1);
        Ok(Point { x: middle(x, self.width, shown.width), y: middle(y, self.height, shown.height) })
    }

    /// Where on the picture a point of the screen is.
    pub(super) fn on_picture(self, x: i64, y: i64) -> (i64, i64) {
        let shown = self.shown();
        let scale = |at: i64, to: u32, from: u32| at * i64::from(to) / i64::from(from.max(1));
        (scale(x, shown.width, self.width), scale(y, shown.height, self.height))
    }

    /// The part of the screen between two points of its picture, both of them in it.
    pub(super) fn between(self, a: Point, b: Point) -> Result<Area, String> {
        let (a, b) = (self.on_screen(a)?, self.on_screen(b)?);
        let size = Self { width: a.x.abs_diff(b.x) + 1, height: a.y.abs_diff(b.y) + 1 };
        Ok(Area { left: a.x.min(b.x), top: a.y.min(b.y), size })
    }
}

/// `of * to / from`, at least 1 and rounded down.
fn part(of: u32, to: u32, from: u32) -> u32 {
    let scaled = u64::from(of) * u64::from(to) / u64::from(from.max(1));
    u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
}

impl Frame {
    /// As it is.
    pub(super) fn whole(&self) -> Result<Vec<u8>, String> {
        write(&Pixels::of(self, self.size.all()))
    }

    /// As a model is shown it.
    pub(super) fn shown(&self, area: Area) -> Result<Vec<u8>, String> {
        let pixels = Pixels::of(self, area).scaled(area.size.shown());
        let png = write(&pixels)?;
        if png.len() <= MOST_BYTES { Ok(png) } else { write_coarse(&pixels) }
    }

    /// The smallest part in which another frame of this size differs.
    pub(super) fn difference(&self, other: &Self) -> Option<Area> {
        if self.size != other.size {
            return Some(self.size.all());
        }
        let row = 4 * self.size.width as usize;
        let rows = || self.bytes.chunks_exact(row).zip(other.bytes.chunks_exact(row));
        let differs = |(a, b): (&[u8], &[u8])| a != b;
        let top = rows().position(differs)?;
        let bottom = rows().rposition(differs)?;
        let (mut left, mut right) = (row, 0);
        for (a, b) in rows().skip(top).take(bottom - top + 1) {
            let unequal = |(a, b): (&u8, &u8)| a != b;
            if let Some(first) = a.iter().zip(b).take(left).position(unequal) {
                left = first;
            }
            if let Some(last) = a[right..].iter().zip(&b[right..]).rposition(unequal) {
                right += last;
            }
        }
        let (left, right) = (left / 4, right / 4);
        let size = Size { width: count(right + 1 - left), height: count(bottom + 1 - top) };
        Some(Area { left: count(left), top: count(top), size })
    }
}

fn count(pixels: usize) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

/// Three bytes each: red, green, blue.
struct Pixels {
    size: Size,
    rgb: Vec<u8>,
}

impl Pixels {
    /// A part of a frame that lies within it.
    fn of(frame: &Frame, Area { left, top, size }: Area) -> Self {
        let (width, stride) = (4 * size.width as usize, 4 * frame.size.width as usize);
        let (left, top) = (4 * left as usize, top as usize);
        let mut rgb = vec![0; 3 * size.width as usize * size.height as usize];
        let rows = frame.bytes.chunks_exact(stride).skip(top);
        for (into, row) in rgb.chunks_exact_mut(3 * size.width as usize).zip(rows) {
            let (into, _) = into.as_chunks_mut::<3>();
            let (pixels, _) = row[left..left + width].as_chunks::<4>();
            for (into, [blue, green, red, _]) in into.iter_mut().zip(pixels) {
                *into = [*red, *green, *blue];
            }
        }
        Self { size, rgb }
    }

    /// Smaller: each pixel is the mean of those it stands for.
    fn scaled(self, to: Size) -> Self {
        if to == self.size {
            return self;
        }
        let mut rgb = Vec::with_capacity(3 * to.width as usize * to.height as usize);
        for y in 0..to.height {
            let rows = span(y, to.height, self.size.height);
            for x in 0..to.width {
                rgb.extend(self.mean(span(x, to.width, self.size.width), rows.clone()));
            }
        }
        Self { size: to, rgb }
    }

    fn mean(&self, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> [u8; 3] {
        let (mut sums, mut pixels) = ([0u32; 3], 0);
        for y in rows {
            let start = 3 * (y * self.size.width as usize + columns.start);
            let (row, _) = self.rgb[start..start + 3 * columns.len()].as_chunks::<3>();
            for pixel in row {
                sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(*value));
                pixels += 1;
            }
        }
        sums.map(|sum| u8::try_from(sum / pixels.max(1)).unwrap_or(u8::MAX))
    }
}

/// Which of `from` pixels the pixel `at` of `to` stands for.
fn span(at: u32, to: u32, from: u32) -> std::ops::Range<usize> {
    let edge = |at: u32| (u64::from(at) * u64::from(from) / u64::from(to)) as usize;
    edge(at)..edge(at + 1).max(edge(at) + 1)
}

fn write(pixels: &Pixels) -> Result<Vec<u8>, String> {
    encode(pixels.size, &pixels.rgb, |encoder| {
        encoder.set_color(ColorType::Rgb);
    })
}

/// In 256 colours: for pictures that are like noise, of which no other way makes a small file.
fn write_coarse(pixels: &Pixels) -> Result<Vec<u8>, String> {
    let (rgb, _) = pixels.rgb.as_chunks::<3>();
    let indices: Vec<u8> =
        rgb.iter().map(|[red, green, blue]| red & 0xe0 | (green & 0xe0) >> 3 | blue >> 6).collect();
    let spread = |bits: u32, most: u32| u8::try_from(bits * 255 / most).unwrap_or(u8::MAX);
    let colour = |i: u32| [spread(i >> 5, 7), spread(i >> 2 & 7, 7), spread(i & 3, 3)];
    let palette: Vec<u8> = (0..256).flat_map(colour).collect();
    encode(pixels.size, &indices, |encoder| {
        encoder.set_color(ColorType::Indexed);
        encoder.set_palette(palette);
    })
}

fn encode(
    size: Size,
    data: &[u8],
    kind: impl FnOnce(&mut Encoder<'_, &mut Vec<u8>>),
) -> Result<Vec<u8>, String> {
    let mut png = Vec::with_capacity(data.len() / 8);
    let mut encoder = Encoder::new(&mut png, size.width, size.height);
    kind(&mut encoder);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fastest);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(data));
    written.map_err(|error| format!("the picture could not be written: {error}"))?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Frame {
        let size = Size { width, height };
        let at = |i: u32| pixel(i % width, i / width);
        let bytes = (0..width * height).flat_map(|i| {
            let [red, green, blue] = at(i);
            [blue, green, red, 9]
        });
        Frame { size, bytes: bytes.collect() }
    }

    fn read(png: &[u8]) -> (Size, Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        (Size { width: info.width, height: info.height }, rgb)
    }

    /// The same noise each time.
    fn noise(x: u32, y: u32) -> [u8; 3] {
        let mixed = (x + 7919 * y).wrapping_mul(2_654_435_761);
        let mixed = (mixed ^ mixed >> 15).wrapping_mul(2_246_822_519).to_le_bytes();
        [mixed[1], mixed[2], mixed[3]]
    }

    #[test]
    fn what_is_small_is_shown_as_it_is() {
        let frame = frame(3, 2, |x, y| [10 * x as u8, 20 * y as u8, 200]);
        let (size, rgb) = read(&frame.shown(frame.size.all()).unwrap());
        assert_eq!(size, frame.size);
        assert_eq!(rgb[..9], [0, 0, 200, 10, 0, 200, 20, 0, 200]);
        assert_eq!(read(&frame.whole().unwrap()).1, rgb);
        let corner = Area { left: 1, top: 1, size: Size { width: 2, height: 1 } };
        assert_eq!(read(&frame.shown(corner).unwrap()).1, [10, 20, 200, 20, 20, 200]);
    }

    #[test]
    fn what_is_large_is_scaled_to_its_means() {
        let frame = frame(2560, 800, |x, _| if x % 2 == 0 { [0, 100, 0] } else { [200, 100, 0] });
        let (size, rgb) = read(&frame.shown(frame.size.all()).unwrap());
        assert_eq!(size, Size { width: 1280, height: 400 });
        assert!(rgb.chunks(3).all(|pixel| pixel == [100, 100, 0]));
    }

    #[test]
    fn noise_is_bounded_too() {
        let frame = frame(1280, 800, noise);
        let png = frame.shown(frame.size.all()).unwrap();
        assert!(png.len() <= MOST_BYTES, "{}", png.len());
        let (_, rgb) = read(&png);
        let off =
            |at: usize| rgb[at].abs_diff(noise(at as u32 / 3 % 1280, at as u32 / 3 / 1280)[at % 3]);
        assert!((0..3 * 1280 * 800).all(|at| off(at) <= 64), "the colours are nearly the same");
    }

    #[test]
    fn a_difference_is_found_where_it_is() {
        let plain = frame(50, 40, |_, _| [1, 2, 3]);
        assert_eq!(plain.difference(&plain), None);
        let marked = |x, y| (7..=9).contains(&x) && (y == 20 || y == 23);
        let other = frame(50, 40, |x, y| [1, 2, if marked(x, y) { 4 } else { 3 }]);
        let found = Area { left: 7, top: 20, size: Size { width: 3, height: 4 } };
        assert_eq!(plain.difference(&other), Some(found));
        let other = frame(40, 50, |_, _| [1, 2, 3]);
        assert_eq!(plain.difference(&other), Some(plain.size.all()));
    }

    proptest! {
        #[test]
        fn what_is_shown_fits_and_keeps_its_form(width in 1u32..20_000, height in 1u32..20_000) {
            let shown = Size { width, height }.shown();
            prop_assert!(shown.width <= 1280 && shown.height <= 800);
            let (a, b) = (u64::from(width) * u64::from(shown.height), u64::from(height) * u64::from(shown.width));
            prop_assert!(a.abs_diff(b) <= u64::from(width.max(height)), "{shown:?}");
        }

        /// A point that a model reads off its picture is where it means.
        #[test]
        fn points_go_there_and_back(width in 1u32..8000, height in 1u32..8000, x in 0u32..1280, y in 0u32..800) {
            let screen = Size { width, height };
            match screen.on_screen(Point { x, y }) {
                Ok(at) => {
                    prop_assert!(at.x < width && at.y < height);
                    let (px, py) = screen.on_picture(at.x.into(), at.y.into());
                    prop_assert!(px.abs_diff(x.into()) <= 1 && py.abs_diff(y.into()) <= 1, "{at:?}");
                }
                Err(_) => {
                    let shown = screen.shown();
                    prop_assert!(x >= shown.width || y >= shown.height);
                }
            }
        }
    }
}
