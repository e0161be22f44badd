//! Message types from .proto files. In: files that the person names. Out: [`Protos`], which finds the types of gRPC methods.
//! Spec: Protocol Buffers language guide (proto2, proto3, editions as far as the compiler goes), descriptor.proto.

use std::path::{Path, PathBuf};

use prost_reflect::{DescriptorPool, MessageDescriptor};
use protox::Compiler;

/// Message types and services, compiled.
#[derive(Clone, Debug)]
pub struct Protos {
    pool: DescriptorPool,
}

/// Why .proto files cannot be used; names the file.
#[derive(Debug, thiserror::Error)]
pub enum ProtosError {
    /// The file cannot be read.
    #[error("{file}: {source}")]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It, or what it imports, is not in order.
    #[error("{file}: {why}")]
    Compile {
        /// The file that was named.
        file: PathBuf,
        /// Where, and why.
        why: String,
    },
    /// It is neither a .proto file nor a compiled descriptor set.
    #[error(
        "{file}: this is no descriptor set: {why}; name a .proto file, or what `protoc --descriptor_set_out` wrote"
    )]
    DescriptorSet {
        /// The file that was named.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

impl Protos {
    /// Compiles `files`: .proto files, which may import each other, files in their own folders and in `includes`, and the
    /// well-known types; or descriptor sets as `protoc --descriptor_set_out --include_imports` writes them.
    ///
    /// # Errors
    /// Of the first file that cannot be read or compiled.
    pub fn load(files: &[PathBuf], includes: &[PathBuf]) -> Result<Self, ProtosError> {
        let (sources, sets): (Vec<&PathBuf>, Vec<&PathBuf>) =
            files.iter().partition(|file| file.extension().is_some_and(|ending| ending == "proto"));
        let mut folders = includes.to_vec();
        for folder in sources.iter().map(|file| folder_of(file)) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        let mut pool = DescriptorPool::new();
        if let Some(first) = sources.first() {
            let failed =
                |file: &Path, error: &protox::Error| ProtosError::Compile { file: file.to_owned(), why: words(error) };
            let mut compiler = Compiler::new(&folders).map_err(|error| failed(first, &error))?;
            for file in &sources {
                std::fs::File::open(file).map_err(|source| ProtosError::Read { file: file.to_path_buf(), source })?;
                compiler.open_file(file).map_err(|error| failed(file, &error))?;
            }
            pool = compiler.descriptor_pool();
        }
        for file in sets {
            let bytes = std::fs::read(file).map_err(|source| ProtosError::Read { file: file.clone(), source })?;
            let result = pool.decode_file_descriptor_set(bytes.as_slice());
            result.map_err(|error| ProtosError::DescriptorSet { file: file.clone(), why: error.to_string() })?;
        }
        Ok(Self { pool })
    }

    /// The type of the messages of a method: of its requests, or of its responses.
    pub(super) fn of_method(&self, service: &str, method: &str, is_request: bool) -> Option<MessageDescriptor> {
        let service = self.pool.get_service_by_name(service)?;
        let method = service.methods().find(|it| it.name() == method)?;
        Some(if is_request { method.input() } else { method.output() })
    }

    /// The message type of this full name.
    pub(super) fn named(&self, name: &str) -> Option<MessageDescriptor> {
        self.pool.get_message_by_name(name.trim_start_matches('.'))
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The error and, where the compiler tells it, the place in the source.
fn words(error: &protox::Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_file() {
        let folder = std::env::temp_dir().join(format!("sidelight-protos-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (broken, set, missing) = (folder.join("broken.proto"), folder.join("set.pb"), folder.join("missing.proto"));
        std::fs::write(&broken, "syntax = \"proto3\";\nmessage A { strin x = 1; }\n").unwrap();
        std::fs::write(&set, "no set").unwrap();
        for (file, words) in [(&broken, "strin"), (&set, "protoc --descriptor_set_out"), (&missing, "No such file")] {
            let error = Protos::load(std::slice::from_ref(file), &[]).unwrap_err().to_string();
            assert!(error.contains(&*file.to_string_lossy()) && error.contains(words), "{error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
