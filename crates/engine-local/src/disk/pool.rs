//! Images ready for use, made while nobody waits for them.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use types::Limits;

use super::image::Template;
use super::volume::Volume;

/// An image without a name, mounted.
pub(super) type Ready = (File, Volume);

/// How many images wait to be used: jobs that begin within the few milliseconds that one takes.
const READY: usize = 4;

/// How many sizes are remembered. A template has some 30 KiB, of the largest image 1 MiB.
const TEMPLATES: usize = 8;

/// Hands out images, and has each one replaced by another of the same size.
#[derive(Debug)]
pub(super) struct Pool {
    shelf: Arc<Shelf>,
    wanted: Mutex<Sender<u64>>,
}

#[derive(Debug)]
struct Shelf {
    directory: PathBuf,
    templates: Mutex<VecDeque<(u64, Arc<Template>)>>,
    ready: Mutex<VecDeque<(u64, Ready)>>,
}

impl Pool {
    /// Makes the first image, to see whether that works.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let shelf = Arc::new(Shelf {
            directory: directory.into(),
            templates: Mutex::default(),
            ready: Mutex::default(),
        });
        let usual = Limits::default().disk_bytes;
        shelf.put(usual, shelf.make(usual)?);
        let (wanted, orders) = channel();
        let filled = (1..READY).try_for_each(|_| wanted.send(usual));
        filled.map_err(io::Error::other)?;
        let worker = Arc::clone(&shelf);
        std::thread::Builder::new()
            .name("images".into())
            .spawn(move || refill(&worker, &orders))?;
        Ok(Self { shelf, wanted: Mutex::new(wanted) })
    }

    /// An image of this size that nobody else has: a ready one, or a new one.
    pub(super) fn take(&self, bytes: u64) -> io::Result<Ready> {
        // Without its thread there is no pool, but there are images all the same.
        let _ = locked(&self.wanted).send(bytes);
        match self.shelf.take(bytes) {
            Some(ready) => Ok(ready),
            None => self.shelf.make(bytes),
        }
    }
}

/// Until the pool is dropped.
fn refill(shelf: &Shelf, orders: &Receiver<u64>) {
    // On Linux, of this thread alone: whoever waits for anything goes first.
    let _ = rustix::process::nice(10);
    for bytes in orders {
        if shelf.count(bytes) == READY {
            continue;
        }
        // If it fails, whoever takes the next one hears why.
        if let Ok(ready) = shelf.make(bytes) {
            shelf.put(bytes, ready);
        }
    }
}

impl Shelf {
    fn make(&self, bytes: u64) -> io::Result<Ready> {
        let image = self.template(bytes)?.image(&self.directory)?;
        let volume = Volume::first(&image, &self.directory)?;
        Ok((image, volume))
    }

    fn template(&self, bytes: u64) -> io::Result<Arc<Template>> {
        // Held while one is made: who wants the same one would only make it again.
        let mut templates = locked(&self.templates);
        if let Some((_, template)) = templates.iter().find(|(size, _)| *size == bytes) {
            return Ok(Arc::clone(template));
        }
        let template = Arc::new(Template::make(bytes)?);
        templates.push_back((bytes, Arc::clone(&template)));
        if templates.len() > TEMPLATES {
            templates.pop_front();
        }
        Ok(template)
    }

    fn take(&self, bytes: u64) -> Option<Ready> {
        let mut ready = locked(&self.ready);
        let index = ready.iter().position(|(size, _)| *size == bytes)?;
        ready.remove(index).map(|(_, ready)| ready)
    }

    /// Adds one; the oldest goes if there are too many, of whatever size.
    fn put(&self, bytes: u64, image: Ready) {
        let oldest = {
            let mut ready = locked(&self.ready);
            ready.push_back((bytes, image));
            if ready.len() > READY { ready.pop_front() } else { None }
        };
        // Not under the lock: it is unmounted here.
        drop(oldest);
    }

    fn count(&self, bytes: u64) -> usize {
        locked(&self.ready).iter().filter(|(size, _)| *size == bytes).count()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
