//! Java's part: a trust store, and options for every virtual machine that starts. In: the options in force, the proxy, the stores of this
//! machine. Out: a store of what Java would trust and our CA; the value of `JAVA_TOOL_OPTIONS`.
//! Source: the JVM Tool Interface's "JAVA_TOOL_OPTIONS" (white space separates, quotes join), `java.net` "Networking Properties", JSSE's
//! "javax.net.ssl.trustStore".

use super::bundle::LARGEST;
use super::{RunEnvError, RunInputs, variables};
use crate::files::{read_bounded, write_short_lived};
use crate::trust_store::{JavaStore, STOREPASS, find_java_stores};
use sidelight_model::time::Timestamp;
use sidelight_wire::pem;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Our CA's name in the store.
const ALIAS: &str = "sidelight";

/// Names and certificates in DER.
type Certificates = Vec<(String, Vec<u8>)>;

/// Writes the trust store into `folder`; none, with a warning, when the one that the user's options name cannot be read: Java then fails
/// on it as it would have.
pub(super) fn write_store(
    inputs: &RunInputs<'_>,
    ours: &[&[u8]],
    host: Option<&Path>,
    folder: &Path,
    warnings: &mut Vec<String>,
) -> Result<Option<PathBuf>, RunEnvError> {
    let mut certificates = match named_store(inputs) {
        Some((path, password)) => match certificates_of(&path, &password) {
            Ok(certificates) => certificates,
            Err(why) => {
                let path = path.display();
                warnings.push(format!("Java's trust store is left as it is: {path}, named in the Java options: {why}"));
                return Ok(None);
            }
        },
        None => default_certificates(inputs, host),
    };
    certificates.retain(|(alias, _)| !alias.starts_with(ALIAS));
    let mut store = JavaStore::Jks(Vec::new());
    let now = Timestamp::from(SystemTime::now());
    for (alias, der) in &certificates {
        store.add(alias, der, now);
    }
    for (index, der) in ours.iter().enumerate() {
        let alias = if index == 0 { ALIAS.to_owned() } else { format!("{ALIAS}-{index}") };
        store.add(&alias, der, now);
    }
    let path = folder.join("cacerts");
    let bytes = store.write(STOREPASS).map_err(|why| RunEnvError::Java { path: path.clone(), why })?;
    write_short_lived(&path, &bytes, 0o644).map_err(RunEnvError::Write)?;
    Ok(Some(path))
}

/// What Java trusts without options: the store of JAVA_HOME, of the `java` that would run, of the system; without any, the host's roots.
fn default_certificates(inputs: &RunInputs<'_>, host: Option<&Path>) -> Certificates {
    let home = inputs.value("JAVA_HOME").or_else(|| home_on_path(inputs));
    let mut stores = find_java_stores(inputs.root, home.as_ref()).into_iter();
    let read = stores.find_map(|path| certificates_of(&path, STOREPASS).ok().filter(|found| !found.is_empty()));
    read.unwrap_or_else(|| {
        let bundle = host.and_then(|path| read_bounded(path, LARGEST).ok()).unwrap_or_default();
        let blocks = pem::read(&bundle).0.into_iter().filter(|block| block.label == "CERTIFICATE");
        blocks.enumerate().map(|(index, block)| (format!("root-{index}"), block.data)).collect()
    })
}

/// The home of the first `java` on the command's PATH.
fn home_on_path(inputs: &RunInputs<'_>) -> Option<OsString> {
    let path = inputs.value("PATH")?;
    let program = std::env::split_paths(&path).map(|folder| folder.join("java")).find(|java| java.is_file())?;
    let real = std::fs::canonicalize(program).ok()?;
    Some(real.parent()?.parent()?.into())
}

fn certificates_of(path: &Path, password: &str) -> Result<Certificates, String> {
    let bytes = read_bounded(path, LARGEST).map_err(|error| error.to_string())?;
    JavaStore::trusted(&bytes, password)
}

/// The store that the user's options name, and its password. Of two the last counts, and `JDK_JAVA_OPTIONS` comes after.
fn named_store(inputs: &RunInputs<'_>) -> Option<(PathBuf, String)> {
    let both = [variables::JAVA_TOOL_OPTIONS, "JDK_JAVA_OPTIONS"];
    let words: Vec<String> =
        both.iter().filter_map(|name| inputs.value(name)).flat_map(|text| words(&text.to_string_lossy())).collect();
    let property = |name: &str| {
        let option = format!("-D{name}=");
        words.iter().rev().find_map(|word| word.strip_prefix(&option)).map(str::to_owned)
    };
    let store = property("javax.net.ssl.trustStore").filter(|path| !path.is_empty() && path != "NONE")?;
    let password = property("javax.net.ssl.trustStorePassword").unwrap_or_else(|| STOREPASS.to_owned());
    Some((store.into(), password))
}

/// Splits options as the virtual machine does: at white space outside of quotes, which are dropped.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in text.chars() {
        match quote {
            Some(open) if open == character => quote = None,
            None if character == '"' || character == '\'' => quote = Some(character),
            None if character.is_whitespace() => words.push(String::new()),
            _ => {
                if let Some(word) = words.last_mut() {
                    word.push(character);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The same without a word about proxies; nothing when there is no store.
pub(super) fn trust_options(inputs: &RunInputs<'_>, store: Option<&Path>) -> Option<OsString> {
    let without = RunInputs { proxy: None, ..*inputs };
    store.map(|store| tool_options(&without, Some(store)))
}

/// The user's options, then ours: of two that set the same property the last one counts.
pub(super) fn tool_options(inputs: &RunInputs<'_>, store: Option<&Path>) -> OsString {
    let mut options = inputs.value(variables::JAVA_TOOL_OPTIONS).unwrap_or_default();
    let mut add = |property: &str, value: &str| {
        if !options.is_empty() {
            options.push(" ");
        }
        options.push(quoted(&format!("-D{property}={value}")));
    };
    if let Some(store) = store {
        add("javax.net.ssl.trustStore", &store.to_string_lossy());
        add("javax.net.ssl.trustStoreType", "JKS");
        add("javax.net.ssl.trustStorePassword", STOREPASS);
    }
    if let Some(proxy) = &inputs.proxy {
        let reachable = proxy.reachable();
        for scheme in ["http", "https"] {
            add(&format!("{scheme}.proxyHost"), &reachable.ip().to_string());
            add(&format!("{scheme}.proxyPort"), &reachable.port().to_string());
        }
        // Java goes around the proxy for loopback unless told otherwise. An empty list means "no exceptions".
        add("http.nonProxyHosts", "");
    }
    options
}

/// An option as one word. Within quotes nothing is special but the quote itself.
fn quoted(option: &str) -> String {
    if !option.contains(|c: char| c.is_whitespace() || c == '"' || c == '\'') {
        option.to_owned()
    } else if option.contains('"') {
        format!("'{option}'")
    } else {
        format!("\"{option}\"")
    }
}

/// Writes the store at `target` and our CA to `path`, in the format of the former; false when it cannot be read, for then Java cannot
/// read it either.
pub(super) fn write_combined(target: &Path, ca_der: &[u8], path: &Path) -> Result<bool, RunEnvError> {
    let bytes = read_bounded(target, LARGEST).map_err(RunEnvError::Source)?;
    let Ok(mut store) = JavaStore::read(&bytes, STOREPASS) else { return Ok(false) };
    store.remove(ca_der);
    store.add(ALIAS, ca_der, Timestamp::from(SystemTime::now()));
    let bytes = store.write(STOREPASS).map_err(|why| RunEnvError::Java { path: path.to_owned(), why })?;
    write_short_lived(path, &bytes, 0o644).map_err(RunEnvError::Write)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_and_joined_as_java_does() {
        assert_eq!(words(" -Da=b\t\"-Dc=d e\" -Df='g h'i "), ["-Da=b", "-Dc=d e", "-Df=g hi"]);
        for option in ["-Da=b", "-Da=b c", "-Da=it's", "-Da=say \"x\""] {
            assert_eq!(words(&quoted(option)), [option]);
        }
    }
}
