//! The configuration file: read, parsed, and its interfaces put on the devices that `--port` names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::Config;

use crate::master::Master;
use crate::validate;

/// Where the configuration comes from, now and at each reload.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Interface name and Linux device.
    pub(crate) ports: Vec<(String, String)>,
}

pub(crate) struct Loaded {
    pub(crate) config: Arc<Config>,
    /// From the files that it names.
    pub(crate) trustpoints: pe::Trustpoints,
    /// For the operator, ready to print; empty if there is nothing to say.
    pub(crate) warnings: String,
}

/// T6-02.
const NO_MASTER_KEY: &str = "\nkeys cannot be encrypted: `password encryption aes` is on, but there is no master key \
                             (onramp key config-key password-encryption)";

impl Source {
    /// The error is a report for the operator: every fault with its place.
    pub(crate) fn load(&self) -> Result<Loaded, String> {
        let bytes = std::fs::read(&self.path).map_err(|error| error.to_string());
        let text =
            bytes.and_then(config::text).map_err(|error| format!("{}: {error}", self.path.display()))?;
        load(&self.path, &text, &self.ports, &Master::beside(&self.path)?)
    }
}

fn load(path: &Path, text: &str, ports: &[(String, String)], master: &Master) -> Result<Loaded, String> {
    let file = path.display().to_string();
    let open = |string: &str| master.open(string);
    let parsed = config::parse_with(text, &open).map_err(|findings| report(&file, text, &findings))?;
    let mut config = parsed.config;
    for (name, device) in ports {
        let interface = config
            .interfaces
            .get_mut(name)
            .ok_or_else(|| format!("--port {name}={device}: {file} has no interface {name}"))?;
        interface.device = Some(device.clone());
    }
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let loaded = validate::files::load(&config.trustpoints, folder).map_err(|faults| {
        faults.iter().map(|fault| format!("{file}: {fault}")).collect::<Vec<_>>().join("\n")
    })?;
    let doubtful = loaded.warnings.iter().map(|warning| format!("\n{file}: {warning}")).collect::<String>();
    let unsealed = if config.password_encryption && !master.is_set() { NO_MASTER_KEY } else { "" };
    let warnings = report(&file, text, &parsed.warnings) + &doubtful + unsealed;
    let warnings = warnings.trim_start().to_owned();
    Ok(Loaded { config: Arc::new(config), trustpoints: loaded.trustpoints, warnings })
}

fn report(file: &str, text: &str, findings: &[config::Finding]) -> String {
    config::report(file, text, findings).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "interface Ethernet0/0\n ip address 10.0.0.1 255.255.255.0\n";

    fn loaded(text: &str, ports: &[(String, String)]) -> Result<Loaded, String> {
        let path = Path::new("pe.conf");
        load(path, text, ports, &Master::beside(Path::new("/nonexistent/pe.conf"))?)
    }

    fn port(name: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), "wan0".to_owned())]
    }

    #[test]
    fn a_port_option_names_the_device_of_an_interface() {
        let loaded = loaded(TEXT, &port("Ethernet0/0")).ok().unwrap();
        assert_eq!(loaded.config.interfaces["Ethernet0/0"].device.as_deref(), Some("wan0"));
    }

    #[test]
    fn a_port_option_for_an_interface_that_is_not_there_is_a_fault() {
        let fault = loaded(TEXT, &port("Ethernet9")).err().unwrap();
        assert!(fault.contains("no interface Ethernet9"), "{fault}");
    }

    #[test]
    fn a_faulty_file_is_reported_with_its_name_and_line() {
        let fault = loaded("frobnicate everything\n", &[]).err().unwrap();
        assert!(fault.contains("pe.conf:1"), "{fault}");
        assert!(fault.contains("frobnicate"), "{fault}");
    }

    #[test]
    fn encryption_that_is_on_without_a_master_key_is_told() {
        let told = |text: &str| loaded(text, &[]).ok().unwrap().warnings.contains("no master key");
        assert!(told("password encryption aes\n") && !told("hostname pe\n"));
    }
}
