//! What the box wants to find again after a restart: a file beside the configuration.

use std::fs;
use std::path::{Path, PathBuf};

use tracing::error;

/// `FILE.state` beside the configuration FILE.
pub(crate) struct Kept {
    path: PathBuf,
    /// What cannot be stored is told once.
    told: bool,
}

impl Kept {
    pub(crate) fn beside(configuration: &Path) -> Self {
        let mut path = configuration.as_os_str().to_owned();
        path.push(".state");
        Self { path: path.into(), told: false }
    }

    /// Nothing at the first start.
    pub(crate) fn read(&self) -> Option<String> {
        fs::read_to_string(&self.path).ok()
    }

    /// Whole, or not at all.
    pub(crate) fn write(&mut self, text: &str) {
        let fresh = self.path.with_extension("state-new");
        let written = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &self.path));
        if let Err(error) = &written
            && !self.told
        {
            error!("{}: {error}: labels will change at a restart", self.path.display());
        }
        self.told = written.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_again() {
        let folder = std::env::temp_dir().join(format!("onrampd-kept-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("onramp.conf");
        let mut kept = Kept::beside(&file);
        assert_eq!(kept.read(), None);
        kept.write("label 16 vrf red\n");
        kept.write("label 17 vrf red\n");
        assert_eq!(Kept::beside(&file).read().as_deref(), Some("label 17 vrf red\n"));
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["onramp.conf.state"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
