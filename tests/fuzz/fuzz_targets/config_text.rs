//! Any text as a configuration: it is refused with findings that lie in the text, or it prints and
//! parses back to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match config::parse(text) {
    Ok(parsed) => {
        let printed = config::print(&parsed.config);
        let again = match config::parse(&printed) {
            Ok(again) => again,
            Err(findings) => panic!("{}", config::report("printed", &printed, &findings)),
        };
        assert!(again.config == parsed.config, "not the identity:\n{printed}");
    }
    Err(findings) => {
        assert!(!findings.is_empty());
        assert!(findings.iter().all(|finding| text.get(finding.span.clone()).is_some()));
        let _ = config::report("fuzz", text, &findings);
    }
});
