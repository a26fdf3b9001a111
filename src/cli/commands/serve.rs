//! `serve`: experiments in a browser.

use super::Opened;
use crate::cli::args::{FileArgs, ServeArgs};
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::Output;
use crate::exec::EngineLauncher;
use crate::fsx;
use crate::serve::{self, DemoSettings, Settings, Site, Token};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

/// The demonstration's store, unless another is named.
const DEMO_STORE: &str = ".tacq-demo";
/// Where the token is, if no file is named.
const TOKEN: &str = "TACQ_SERVE_TOKEN";

/// Serves until it is interrupted.
pub(super) fn serve(args: &ServeArgs, output: &Output) -> Result<ExitCode, CliError> {
    let token = token(args.token_file.as_deref())?;
    let sites = args.files.iter().map(|file| site(args, file)).collect::<Result<Vec<_>, CliError>>()?;
    let settings = Settings {
        host: args.host,
        port: args.port,
        allowed_hosts: args.allow_host.clone(),
        token: token.clone(),
        demo: demo(args)?,
    };
    let (tell, stop) = mpsc::channel();
    if let Err(error) = ctrlc::set_handler(move || {
        let _ = tell.send(());
    }) {
        tracing::warn!("interruptions are not handled: {error}");
    }
    let ready = |address: SocketAddr| {
        output.data(format!("http://{}/?token={}", shown(address), token.text()));
        output.news(match address.ip().is_loopback() {
            true => "this machine alone sees it; the token is needed to start and end runs; Ctrl-C ends the server, not the runs",
            false => "other machines see it with the token, unencrypted; Ctrl-C ends the server, not the runs",
        });
    };
    serve::serve(settings, sites, ready, &stop)?;
    Ok(ExitCode::Done)
}

/// An address that can be opened.
fn shown(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("{}:{}", crate::exec::host_name(), address.port()),
        false => address.to_string(),
    }
}

fn token(file: Option<&Path>) -> Result<Token, CliError> {
    let chosen = match file {
        Some(file) => Some(fsx::read_to_string(file)?),
        None => std::env::var(TOKEN).ok().filter(|text| !text.is_empty()),
    };
    Ok(match chosen {
        Some(text) => Token::chosen(&text)?,
        None => Token::random()?,
    })
}

/// The demonstration, if it is asked for, or nothing else is.
fn demo(args: &ServeArgs) -> Result<Option<(DemoSettings, PathBuf)>, CliError> {
    if !args.demo && !args.files.is_empty() {
        return Ok(None);
    }
    let folder = |path: &Path, option: &'static str| match fsx::metadata(path) {
        Ok(found) if found.is_dir() => fsx::canonicalize(path).map_err(CliError::from),
        _ => Err(CliError::NoFolder { option, path: path.to_owned() }),
    };
    let settings = DemoSettings {
        model: folder(&args.demo_model, "--demo-model")?,
        data: folder(&args.demo_data, "--demo-data")?,
        store: args.store.clone().unwrap_or_else(|| DEMO_STORE.into()),
        device: args.demo_device.clone(),
    };
    Ok(Some((settings, EngineLauncher::find(args.engine.as_deref()))))
}

/// A file that is served. It must be readable when the server starts; later mistakes in it are shown on its page.
fn site(args: &ServeArgs, file: &Path) -> Result<Site, CliError> {
    let file_args = FileArgs {
        file: file.to_owned(),
        sets: args.sets.clone(),
        store: args.store.clone(),
        remote: None,
        update_revisions: false,
    };
    crate::spec::load(file, &args.sets)?;
    let mut arguments: Vec<OsString> = vec![file.into()];
    for set in &args.sets {
        arguments.extend(["--set".into(), set.into()]);
    }
    if let Some(store) = &args.store {
        arguments.extend(["--store".into(), store.into()]);
    }
    let open = move || {
        let Opened { experiment, plan, store, .. } =
            Opened::new(&file_args).map_err(|error| error.to_string())?;
        Ok(serve::Opened { experiment, plan, store })
    };
    Ok(Site::new(file.to_owned(), arguments, args.engine.clone(), Box::new(open)))
}
