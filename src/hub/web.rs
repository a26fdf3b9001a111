//! A file of the web whose SHA-256 is known.

use super::client::Tries;
use super::download::{Transfer, length};
use super::error::HubError;
use super::files::{Progress, room, with_progress};
use super::{Hub, Stop};
use crate::fsx;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

impl Hub {
    /// Downloads a file to `target`. What arrives before an interruption stays in `partial` and counts next time.
    pub fn download_url(
        &self,
        url: &str,
        sha256: &str,
        partial: &Path,
        target: &Path,
        progress: &mut dyn FnMut(Progress),
        stop: &Stop,
    ) -> Result<(), HubError> {
        if self.settings.offline {
            return Err(self.offline(url.to_owned()));
        }
        fsx::create_dir_all(partial.parent().expect("partial files lie in a folder"))?;
        let (arrived, total) = (AtomicU64::new(length(partial)), AtomicU64::new(0));
        let so_far =
            || Progress { done: arrived.load(Ordering::Relaxed), total: total.load(Ordering::Relaxed) };
        with_progress(&so_far, progress, stop, |stop| {
            let size = self.size_of(url, stop)?;
            if let Some(size) = size {
                total.store(size, Ordering::Relaxed);
                room(url, size.saturating_sub(length(partial)), partial)?;
            }
            let transfer = Transfer {
                what: url,
                url,
                partial,
                // A server may say a size that is not that of the contents; the hash decides.
                size: None,
                sha256: Some(sha256),
                advice: "the file at this address is not the one that is meant; check `url` and `sha256`",
            };
            transfer.run(
                &self.client,
                &|answer| match answer.status {
                    404 | 410 => HubError::NotFound { what: format!("file {url}"), hint: None },
                    status => HubError::Status { what: url.to_owned(), status },
                },
                &arrived,
                stop,
            )
        })?;
        Ok(fsx::rename(partial, target)?)
    }

    /// The size that a server says, where it says one.
    fn size_of(&self, url: &str, stop: &Stop) -> Result<Option<u64>, HubError> {
        let mut tries = Tries::of(url);
        let answer = self.client.head(url, &mut tries, stop)?;
        Ok((answer.status == 200).then(|| answer.header("content-length")?.parse().ok()).flatten())
    }
}
