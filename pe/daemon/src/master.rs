//! The master key of keys of type 6: a file beside the configuration, for its owner only; and the
//! configuration file with its keys written anew.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use api::{Hidden, Request, Response};
use base::Secret;
use config::{MasterKey, Unopened, Written};

/// What stands in the file: the key in force, and while it is being changed also the one before.
pub(crate) struct Master {
    path: PathBuf,
    keys: Vec<(Secret, MasterKey)>,
}

/// Others than the owner.
const OTHERS: u32 = 0o077;
const OWNER: u32 = 0o600;

impl Master {
    /// Of the configuration at `config`. The error says what is wrong with the file; no file is no key.
    pub(crate) fn beside(config: &Path) -> Result<Self, String> {
        let mut path = config.as_os_str().to_owned();
        path.push(".key");
        let path = PathBuf::from(path);
        let fault = |text: String| format!("{}: {text}", path.display());
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(fault(error.to_string())),
        };
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let keys = lines.map(|line| (Secret::from(line), MasterKey::new(Secret::from(line)))).collect();
        Ok(Self { path, keys })
    }

    pub(crate) fn is_set(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Opens a string of type 6.
    pub(crate) fn open(&self, string: &str) -> Result<Secret, Unopened> {
        let mut outcome = config::open_none(string);
        for (_, key) in &self.keys {
            match key.open(string) {
                Ok(secret) => return Ok(secret),
                Err(why) => outcome = Err(why),
            }
        }
        outcome
    }

    /// Sets a key where `old` is the one in force, or where there is none; what it had sealed in the
    /// configuration is sealed anew. How many keys were written.
    pub(crate) fn change(&mut self, config: &Path, old: Option<&str>, new: &str) -> Result<usize, String> {
        let fits =
            self.keys.first().is_none_or(|(text, _)| old.is_some_and(|old| text.expose() == old.as_bytes()));
        if !fits {
            return Err("the old key is not the master key in force".to_owned());
        }
        if new.contains(['\n', '\r']) {
            return Err("a master key is one line".to_owned());
        }
        let new = Secret::from(new.as_bytes());
        let mut texts = vec![new.clone()];
        texts.extend(self.keys.iter().map(|(text, _)| text.clone()));
        // With both in the file, a crash between the two leaves no key that nobody can open.
        self.keep(&texts)?;
        let count = self.seal(config)?;
        self.keep(&[new])?;
        Ok(count)
    }

    /// From now on there is none.
    pub(crate) fn delete(&mut self) -> Result<(), String> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("{}: {error}", self.path.display()));
            }
            Ok(()) | Err(_) => {}
        }
        self.keys.clear();
        Ok(())
    }

    /// Writes the configuration file with every key under the master key in force: those in clear where
    /// `password encryption aes` is on, and those that an earlier key sealed. How many that were.
    pub(crate) fn seal(&self, config: &Path) -> Result<usize, String> {
        let Some((_, key)) = self.keys.first() else { return Ok(0) };
        let fault = |error: String| format!("{}: {error}", config.display());
        let text = fs::read(config).map_err(|error| fault(error.to_string()))?;
        let text = config::text(text).map_err(fault)?;
        let clear_too = encrypts(&text);
        let (salt, mut count, mut broken) = (random::<16>()?, 0, None);
        let mut written = |key_in_text: Written<'_>| {
            let secret = match key_in_text {
                Written::Clear(text) => clear_too.then(|| Secret::from(text.as_bytes())),
                Written::Sealed(string) if key.open(string).is_ok() => None,
                Written::Sealed(string) => self.open(string).ok(),
            }?;
            match random::<12>() {
                Ok(nonce) => {
                    count += 1;
                    Some(key.seal(&secret, salt, nonce))
                }
                Err(error) => {
                    broken = Some(error);
                    None
                }
            }
        };
        let sealed = config::rewrite_keys(&text, &mut written);
        if let Some(error) = broken {
            return Err(error);
        }
        if count > 0 {
            replace(config, sealed.as_bytes(), None).map_err(|error| fault(error.to_string()))?;
        }
        Ok(count)
    }

    /// A configuration as text, its keys of type 6; `None` without a master key.
    pub(crate) fn print(&self, config: &config::Config) -> Result<Option<String>, String> {
        let Some((_, key)) = self.keys.first() else { return Ok(None) };
        let salt = random::<16>()?;
        let mut broken = None;
        let mut seal = |secret: &Secret| match random::<12>() {
            Ok(nonce) => key.seal(secret, salt, nonce),
            Err(error) => {
                broken = Some(error);
                String::new()
            }
        };
        let text = config::print_sealed(config, &mut seal);
        broken.map_or(Ok(Some(text)), Err)
    }

    fn keep(&mut self, texts: &[Secret]) -> Result<(), String> {
        let lines: Vec<u8> = texts.iter().flat_map(|text| [text.expose(), b"\n"].concat()).collect();
        let written = replace(&self.path, &lines, Some(OWNER));
        written.map_err(|error| format!("{}: {error}", self.path.display()))?;
        self.keys = texts.iter().map(|text| (text.clone(), MasterKey::new(text.clone()))).collect();
        Ok(())
    }
}

/// What an operator asks of keys of type 6.
pub(crate) struct Secrets<'a> {
    /// The configuration file.
    pub(crate) path: &'a Path,
    /// In force.
    pub(crate) config: &'a config::Config,
}

impl Secrets<'_> {
    /// `None`: it is about something else.
    pub(crate) fn answer(&self, request: &Request) -> Option<Response> {
        let outcome = if *request == Request::ShowMasterKey {
            self.master().map(|master| Response::MasterKey { is_set: master.is_set() })
        } else if let Request::MasterKey { old, new } = request {
            self.change(old.as_ref(), new.as_ref()).map(|count| Response::Done { count })
        } else if *request == Request::Write {
            self.write().map(|count| Response::Done { count })
        } else if *request == Request::ShowRunningConfig && self.config.password_encryption {
            let text = self.master().and_then(|master| master.print(self.config));
            text.transpose()?.map(Response::Text)
        } else {
            return None;
        };
        Some(outcome.unwrap_or_else(|error| Response::Failed { error, hint: None }))
    }

    fn master(&self) -> Result<Master, String> {
        Master::beside(self.path)
    }

    fn change(&self, old: Option<&Hidden>, new: Option<&Hidden>) -> Result<usize, String> {
        let mut master = self.master()?;
        match new {
            Some(new) => master.change(self.path, old.map(|old| old.0.as_str()), &new.0),
            None => master.delete().map(|()| 1),
        }
    }

    fn write(&self) -> Result<usize, String> {
        let master = self.master()?;
        if self.config.password_encryption && !master.is_set() {
            return Err("there is no master key: set one by `key config-key password-encryption`".to_owned());
        }
        master.seal(self.path)
    }
}

/// Whether the text has `password encryption aes`, whatever else may be wrong with it.
fn encrypts(text: &str) -> bool {
    let words = |line: &str| line.split_whitespace().map(str::to_ascii_lowercase).collect::<Vec<_>>();
    text.lines().map(words).fold(false, |on, words| {
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["password", "encryption", "aes"] => true,
            ["no", "password", "encryption", "aes"] => false,
            _ => on,
        }
    })
}

/// Refuses a file that others may read or write.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    if file.metadata()?.mode() & OTHERS != 0 {
        let text = "others than its owner may use the master key (chmod 600)";
        return Err(std::io::Error::new(ErrorKind::PermissionDenied, text));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(text)
}

/// All of a file or nothing of it; with the mode it had unless one is named.
fn replace(path: &Path, bytes: &[u8], mode: Option<u32>) -> std::io::Result<()> {
    let before = fs::metadata(path).ok();
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(OWNER).open(&beside)?;
    file.write_all(bytes)?;
    if let Some(mode) = mode.or_else(|| before.as_ref().map(MetadataExt::mode)) {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    if let Some(before) = before {
        std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
    }
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    let drawn = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    drawn.map(|()| bytes).map_err(|error| format!("/dev/urandom: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "! kept\ncrypto isakmp key pa55word address 192.0.2.7\npassword encryption aes\n";

    /// A configuration in a folder of its own.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str, text: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("onramp-master-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("pe.conf"), text).unwrap();
            Self(folder)
        }

        fn config(&self) -> PathBuf {
            self.0.join("pe.conf")
        }

        fn text(&self) -> String {
            fs::read_to_string(self.config()).unwrap()
        }

        fn master(&self) -> Master {
            Master::beside(&self.config()).unwrap()
        }

        /// What the file's key opens to under the master key that is kept.
        fn opened(&self) -> Result<Vec<u8>, Unopened> {
            let text = self.text();
            let string = text.split_whitespace().skip_while(|word| *word != "6").nth(1).unwrap();
            self.master().open(string).map(|secret| secret.expose().to_vec())
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_first_master_key_seals_every_key_and_touches_nothing_else() {
        let place = Place::new("first", TEXT);
        assert!(!place.master().is_set());
        assert_eq!(place.master().change(&place.config(), None, "correct-horse"), Ok(1));
        let text = place.text();
        assert!(
            text.starts_with("! kept\ncrypto isakmp key 6 onramp1.") && !text.contains("pa55word"),
            "{text}"
        );
        assert_eq!(place.opened(), Ok(b"pa55word".to_vec()));
        assert_eq!(place.master().seal(&place.config()), Ok(0), "sealed once is enough");
        assert_eq!(fs::metadata(place.0.join("pe.conf.key")).unwrap().mode() & 0o777, OWNER);
    }

    #[test]
    fn another_master_key_needs_the_old_one_and_seals_anew() {
        let place = Place::new("change", TEXT);
        place.master().change(&place.config(), None, "correct-horse").unwrap();
        let before = place.text();
        let wrong = place.master().change(&place.config(), Some("wrong-horse"), "battery-staple");
        assert!(wrong.unwrap_err().contains("old key"));
        assert!(place.master().change(&place.config(), None, "battery-staple").is_err());
        assert_eq!(place.text(), before);
        assert_eq!(place.master().change(&place.config(), Some("correct-horse"), "battery-staple"), Ok(1));
        assert_ne!(place.text(), before);
        assert_eq!(place.opened(), Ok(b"pa55word".to_vec()));
    }

    #[test]
    fn without_the_switch_keys_in_clear_stay_so_and_sealed_ones_still_follow_the_master_key() {
        let place = Place::new("switch", TEXT);
        place.master().change(&place.config(), None, "correct-horse").unwrap();
        let off = place.text() + "crypto isakmp key in-clear address 192.0.2.8\nno password encryption aes\n";
        fs::write(place.config(), off).unwrap();
        assert_eq!(place.master().change(&place.config(), Some("correct-horse"), "battery-staple"), Ok(1));
        assert!(place.text().contains("in-clear"));
        assert_eq!(place.opened(), Ok(b"pa55word".to_vec()));
    }

    #[test]
    fn a_deleted_master_key_leaves_strings_that_nobody_opens() {
        let place = Place::new("delete", TEXT);
        place.master().change(&place.config(), None, "correct-horse").unwrap();
        let before = place.text();
        place.master().delete().unwrap();
        assert_eq!((place.text(), place.opened()), (before, Err(Unopened::NoMasterKey)));
        place.master().change(&place.config(), None, "another-horse").unwrap();
        assert_eq!(place.opened(), Err(Unopened::WrongMasterKey));
    }

    #[test]
    fn a_master_key_that_others_may_read_is_not_used() {
        let place = Place::new("mode", TEXT);
        let path = place.0.join("pe.conf.key");
        fs::write(&path, "correct-horse\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Master::beside(&place.config()).err().unwrap().contains("chmod 600"));
    }

    #[test]
    fn a_crash_between_the_two_files_leaves_every_key_usable() {
        let place = Place::new("crash", TEXT);
        place.master().change(&place.config(), None, "correct-horse").unwrap();
        let both = [Secret::from(&b"battery-staple"[..]), Secret::from(&b"correct-horse"[..])];
        place.master().keep(&both).unwrap();
        assert_eq!(place.opened(), Ok(b"pa55word".to_vec()));
    }
}
