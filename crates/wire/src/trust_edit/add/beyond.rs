//! Stores beyond those of the system: what variables name, OpenSSLs of their own, what packages and users carry. In: a plan in the
//! making. Out: the same with their steps.

use super::Adding;
use crate::trust_edit::family::Style;
use crate::trust_edit::places::{self, Carried};
use crate::trust_edit::root::{Root, file_at, folder_at, name, place_for, within};
use crate::trust_edit::{Did, StoreKind, hashed, settings};

impl Adding<'_> {
    /// Stores that variables name.
    pub(super) fn settings(&mut self) {
        let env = self.request.env;
        for (variable, path, serves) in settings::files(env) {
            let serves = format!("{serves} (by ${variable})");
            match file_at(&self.root, &path) {
                Some(real) => self.bundle(StoreKind::Bundle, &real, &serves),
                None => self.plan.notes.push(format!(
                    "{variable} names {path}, which is not there: what reads it trusts nobody or ignores it"
                )),
            }
        }
        for folder in settings::folders(env) {
            let Some(real) = folder_at(&self.root, &folder) else { continue };
            self.hashed_folder(&real, Style::Copied, None, "OpenSSL, Go (by $SSL_CERT_DIR)");
        }
        if let (Some(store), _) = settings::java_store(env)
            && let Some(real) = file_at(&self.root, &store)
        {
            self.java(&real, "Java (by -Djavax.net.ssl.trustStore)", None);
        }
    }

    /// OpenSSLs that were not built by the distribution look below a folder of their own.
    pub(super) fn openssl_dirs(&mut self, libraries: &[String]) {
        let mut folders = self.request.openssl_dirs.to_vec();
        folders.extend(libraries.iter().filter_map(|path| places::openssl_dir(&self.root.read(path).ok()?)));
        folders.sort();
        folders.dedup();
        for folder in &folders {
            self.openssl_dir(folder);
        }
    }

    fn openssl_dir(&mut self, folder: &str) {
        let serves = format!("programs on the OpenSSL that looks in {folder}");
        let file = file_at(&self.root, &within(folder, "cert.pem"));
        if let Some(real) = &file {
            self.bundle(StoreKind::Bundle, real, &serves);
        }
        let certs = folder_at(&self.root, &within(folder, "certs"));
        let told = settings::value(self.request.env, "SSL_CERT_FILE").is_some();
        match (file, certs) {
            (file, Some(real)) if file.is_none() || hashed::has_hashes(&self.root, &real) => {
                self.hashed_folder(&real, Style::Copied, None, &serves);
            }
            (None, None) if self.request.wants(StoreKind::Bundle) && !told => {
                let path = within(folder, "cert.pem");
                let Some(real) = place_for(&self.root, &path) else {
                    return self.leave(StoreKind::Bundle, &path, super::NO_FILE.to_owned(), None);
                };
                let change = self.new_file(&real, self.anchor().pem().into_bytes(), 0o644);
                self.step(StoreKind::Bundle, &real, Did::Created, &serves, vec![change]);
                self.plan.notes.push(format!(
                    "{real} is new and holds this certificate alone: that OpenSSL trusted nobody before"
                ));
            }
            _ => {}
        }
    }

    pub(super) fn carried(&mut self, carried: &Carried, anchor_file: Option<&str>) {
        for (path, serves) in &carried.bundles {
            self.bundle(StoreKind::Vendored, path, serves);
        }
        for path in &carried.java {
            let serves = format!("Java in {}", path.split("/lib/security/").next().unwrap_or_default());
            self.java(path, &serves, anchor_file);
        }
        if self.request.wants(StoreKind::Nss) {
            for folder in &carried.nss {
                self.nss(folder);
            }
        }
        if self.request.wants(StoreKind::Env) && !carried.node.is_empty() {
            let bundle = file_at(&self.root, super::NEW_BUNDLE).map(|_| super::NEW_BUNDLE.to_owned());
            let first = self.plan.of(StoreKind::Bundle).next().map(|step| step.path.clone());
            if let Some(file) = anchor_file.map(str::to_owned).or(bundle).or(first) {
                settings::for_node(&mut self.plan, self.request.env, &file);
            }
        }
        for program in &carried.others {
            let named = name(program);
            self.plan.notes.push(match named {
                "deno" => format!(
                    "{program} has its roots compiled in: DENO_CERT=FILE or DENO_TLS_CA_STORE=system gives it this one"
                ),
                _ => format!("{program} has its roots compiled in: NODE_EXTRA_CA_CERTS=FILE gives it this one"),
            });
        }
    }

    fn nss(&mut self, folder: &str) {
        let database = within(folder, "cert9.db");
        let held =
            self.root.read(&database).is_ok_and(|bytes| memchr::memmem::find(&bytes, self.anchor().der()).is_some());
        if held {
            return self.already(StoreKind::Nss, &database, "NSS: browsers and curl on NSS");
        }
        let name = &self.anchor().name;
        let fix = format!("certutil -A -d sql:{folder} -n {name} -t C,, -i {name}.crt");
        self.leave(
            StoreKind::Nss,
            &database,
            "NSS's databases are written by its own certutil alone".to_owned(),
            Some(fix),
        );
    }
}
