//! By which names this server may be called. A page of another site that lets its own name point here is not answered.

use crate::exec::host_name;
use std::net::IpAddr;

/// Names that are this server's.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    is_loopback: bool,
    names: Vec<String>,
}

impl Hosts {
    /// The names of a server at this address, and others that were allowed.
    pub fn new(address: IpAddr, allowed: &[String]) -> Self {
        let mut names: Vec<String> = allowed.iter().map(|name| name.to_lowercase()).collect();
        if address.is_unspecified() {
            // As the address is printed.
            names.push(host_name().to_lowercase());
        }
        Self { is_loopback: address.is_loopback(), names }
    }

    /// Whether a `Host` header names this server. A number is no name that could point elsewhere; on this machine alone it is
    /// one of this machine.
    pub fn has(&self, header: &str) -> bool {
        let name = without_port(header).to_lowercase();
        if self.names.contains(&name) || name == "localhost" {
            return true;
        }
        let number = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        number.is_ok_and(|number| number.is_loopback() || !self.is_loopback)
    }
}

fn without_port(header: &str) -> &str {
    match header.rfind(':') {
        // Colons inside of brackets are those of an address.
        Some(at) if !header[at..].contains(']') => &header[..at],
        _ => header,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_are_answered() {
        let here = Hosts::new("127.0.0.1".parse().unwrap(), &[]);
        for host in ["localhost", "LOCALHOST:7411", "127.0.0.1:80", "[::1]:7411", "127.8.8.8"] {
            assert!(here.has(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:7411", "10.0.0.3", "127.0.0.1.evil.example", "[::2]"]
        {
            assert!(!here.has(host), "{host}");
        }
        let there = Hosts::new("0.0.0.0".parse().unwrap(), &["Gpu7".into()]);
        assert!(
            there.has("10.0.0.3:7411")
                && there.has("gpu7:7411")
                && there.has(&host_name())
                && !there.has("gpu8:7411")
        );
    }
}
