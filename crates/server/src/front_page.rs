//! The front page's cards and pictures: compiled in, or the operator's own file, which is read again when it changes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use api::{FrontPage, Home};
use async_trait::async_trait;
use kernel::{Clock, Timestamp};
use tokio::task::spawn_blocking;

/// The operator's file, in the data directory.
pub const FILE: &str = "home.toml";

const BUILT_IN: &str = include_str!("../data/home.toml");
/// The file is looked at so often at most.
const LOOK_MS: i64 = 5_000;

/// The front page of this data directory.
pub struct HomeFile {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    built_in: Arc<Home>,
    shown: Mutex<Shown>,
}

struct Shown {
    home: Arc<Home>,
    stamp: Option<Stamp>,
    looked_at: Option<Timestamp>,
}

/// What tells one version of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// The version to compare with when it is time for a look, if one was seen.
struct Known(Option<Stamp>);

/// What a look at the file found.
enum Look {
    /// There is none.
    Absent,
    /// It is as it was.
    Same,
    /// It is another one.
    Changed(Stamp, Home),
    /// It is another one, and not good.
    Broken(Stamp, anyhow::Error),
    /// It cannot be looked at.
    Unreadable(std::io::Error),
}

impl HomeFile {
    /// The front page of this file.
    pub fn new(path: PathBuf, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let built_in = Arc::new(parse(BUILT_IN)?);
        let shown = Shown { home: Arc::clone(&built_in), stamp: None, looked_at: None };
        Ok(Self { path, clock, built_in, shown: Mutex::new(shown) })
    }

    /// The version to compare with, if it is time for a look: one caller looks, the others take what is there.
    fn begin_look(&self) -> Option<Known> {
        let now = self.clock.now();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = shown.looked_at.is_none_or(|at| now.millis_since(at) >= LOOK_MS);
        is_due.then(|| {
            shown.looked_at = Some(now);
            Known(shown.stamp)
        })
    }

    fn end_look(&self, look: Look) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match look {
            Look::Absent => {
                shown.home = Arc::clone(&self.built_in);
                shown.stamp = None;
            }
            Look::Same => {}
            Look::Changed(stamp, home) => {
                shown.home = Arc::new(home);
                shown.stamp = Some(stamp);
                tracing::info!(file = FILE, "the front page was read anew");
            }
            Look::Broken(stamp, error) => {
                // Said once: the stamp is remembered, so that the same mistake is not read again and again.
                shown.stamp = Some(stamp);
                tracing::error!(file = FILE, error = %format!("{error:#}"), "the front page stays as it was");
            }
            Look::Unreadable(error) => {
                tracing::error!(file = FILE, %error, "the front page stays as it was");
            }
        }
    }

    fn current(&self) -> Arc<Home> {
        Arc::clone(&self.shown.lock().unwrap_or_else(PoisonError::into_inner).home)
    }
}

#[async_trait]
impl FrontPage for HomeFile {
    async fn home(&self) -> Arc<Home> {
        if let Some(Known(known)) = self.begin_look() {
            let path = self.path.clone();
            match spawn_blocking(move || look(&path, known)).await {
                Ok(found) => self.end_look(found),
                Err(error) => tracing::error!(%error, "the look at the front page's file failed"),
            }
        }
        self.current()
    }
}

fn look(path: &std::path::Path, known: Option<Stamp>) -> Look {
    let stamp = match std::fs::metadata(path) {
        Ok(data) => Stamp { modified: data.modified().ok(), bytes: data.len() },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Look::Absent,
        Err(error) => return Look::Unreadable(error),
    };
    if known == Some(stamp) {
        return Look::Same;
    }
    match std::fs::read_to_string(path) {
        Ok(text) => match parse(&text) {
            Ok(home) => Look::Changed(stamp, home),
            Err(error) => Look::Broken(stamp, error),
        },
        Err(error) => Look::Unreadable(error),
    }
}

fn parse(text: &str) -> anyhow::Result<Home> {
    let home: Home = toml::from_str(text)?;
    home.check()?;
    Ok(home)
}

#[cfg(test)]
mod tests {
    use kernel::ManualClock;

    use super::*;

    const OTHER: &str =
        "[[swipers]]\nid = \"a\"\nimage_url = \"/a.png\"\ntitle = \"甲\"\njump_type = \"none\"\n";

    async fn titles(page: &HomeFile) -> Vec<String> {
        page.home().await.swipers.iter().map(|swiper| swiper.title.clone()).collect()
    }

    #[tokio::test]
    async fn the_operators_file_takes_the_place_of_the_built_in_one_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
        let page = HomeFile::new(file.clone(), clock.clone()).unwrap();
        let built_in = titles(&page).await;
        assert!(!built_in.is_empty());

        std::fs::write(&file, OTHER).unwrap();
        assert_eq!(titles(&page).await, built_in, "not looked at again so soon");
        clock.advance_millis(LOOK_MS);
        assert_eq!(titles(&page).await, ["甲"]);

        std::fs::write(&file, OTHER.replace("none", "room")).unwrap();
        clock.advance_millis(LOOK_MS);
        assert_eq!(titles(&page).await, ["甲"], "a jump without a target is refused");

        std::fs::remove_file(&file).unwrap();
        clock.advance_millis(LOOK_MS);
        assert_eq!(titles(&page).await, built_in);
    }
}
