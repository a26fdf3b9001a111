//! What can go wrong with a remote store.

use crate::fsx::FsError;
use crate::store::StoreError;
use std::path::PathBuf;

/// A remote store that cannot be used, or something in it that is not right.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It cannot be opened with these settings.
    #[error("remote store {place}: {problem}")]
    Setup {
        /// Where it is.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A request failed, also after some attempts.
    #[error("remote store {place}: cannot {action} {path}: {}{}", brief(source), advice(source))]
    Request {
        /// Where it is.
        place: String,
        /// What was tried, as a verb.
        action: &'static str,
        /// On which object.
        path: String,
        /// Why it failed.
        source: Box<object_store::Error>,
    },
    /// An artifact that is there cannot be used.
    #[error("remote store {place}: {what}: {why}")]
    Unusable {
        /// Where it is.
        place: String,
        /// Name of the stage.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something was to be written to a store that is only read.
    #[error("remote store {place} is read_only here; set run.remote.mode to read_write to push")]
    ReadOnly {
        /// Where it is.
        place: String,
    },
    /// A local artifact is not what its manifest says, so it is not shared.
    #[error("{} is not what its manifest says; it is not pushed: `tacq-sweep store verify` moves it aside", path.display())]
    LocalDamage {
        /// The file.
        path: PathBuf,
    },
    /// The store here cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the store here cannot be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// The library's words, with what a server says in XML in one line.
fn brief(source: &object_store::Error) -> String {
    let text = source.to_string();
    let Some((before, xml)) = text.split_once("<?xml") else { return text.trim_end().to_owned() };
    let element = |name: &str| {
        let (_, rest) = xml.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.to_owned())
    };
    let said: Vec<String> = ["Code", "Message"].into_iter().filter_map(element).collect();
    format!("{}{}", before, said.join(": "))
}

/// What a person can do about the commonest causes.
fn advice(source: &object_store::Error) -> &'static str {
    use object_store::Error;
    let text = source.to_string();
    let says = |words: [&str; 2]| words.iter().any(|word| text.contains(word));
    match source {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ASK_ACCESS,
        _ if says(["403 Forbidden", "401 Unauthorized"]) => ASK_ACCESS,
        Error::NotFound { .. } => ASK_PLACE,
        _ if says(["NoSuchBucket", "404 Not Found"]) => ASK_PLACE,
        _ => "",
    }
}

const ASK_ACCESS: &str = "; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and what they may do (s3:GetObject, \
    s3:ListBucket, s3:PutObject), or AWS_SKIP_SIGNATURE=true for a public bucket";
const ASK_PLACE: &str = "; check the bucket's name, AWS_ENDPOINT_URL and AWS_REGION";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_answer_is_one_line() {
        let answer = "404 Not Found: <?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message>The bucket is \
                      not there</Message><RequestId>1</RequestId></Error>\n";
        let source = object_store::Error::Generic { store: "S3", source: answer.into() };
        assert_eq!(brief(&source), "Generic S3 error: 404 Not Found: NoSuchBucket: The bucket is not there");
        assert_eq!(advice(&source), ASK_PLACE);
    }
}
