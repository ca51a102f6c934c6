// SPDX-License-Identifier: Apache-2.0

//! Calls through reqwest on rustls, as a service in Rust makes them: built once on each of rustls's two providers of
//! cryptography.
//!
//!     client [-http2] [-port N] [-wait FILE] [-threads N] FOLDER in-turn|at-once N EXCHANGE...
//!
//! in-turn makes N calls of each exchange one after the other, on connections that are kept; at-once all of them at the
//! same time. -http2: port 8443, where the upstream speaks it; -port: another. -wait: opens a connection first, says "ready" and calls
//! when there is such a file. -threads: of the runtime, between which a connection may wander; one unless said.

use std::error::Error;
use std::{env, fs, path::Path, process, time::Duration};

use reqwest::{Client, Method, Response, Version};
use serde_json::Value;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Default)]
struct Options {
    http2: bool,
    port: Option<u16>,
    wait: Option<String>,
    threads: usize,
    words: Vec<String>,
}

fn parse() -> Result<Options, Failure> {
    let mut options = Options { threads: 1, ..Default::default() };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-http2" => (options.http2, options.port) = (true, Some(8443)),
            "-port" => options.port = Some(words.next().unwrap_or_default().parse()?),
            "-wait" => options.wait = words.next(),
            "-threads" => options.threads = words.next().unwrap_or_default().parse()?,
            _ => options.words.push(word),
        }
    }
    if options.words.len() < 4 {
        return Err("usage: client [-http2] [-port N] [-wait FILE] [-threads N] FOLDER in-turn|at-once N EXCHANGE...".into());
    }
    Ok(options)
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, Failure> {
    value[name].as_str().ok_or_else(|| format!("no {name}").into())
}

/// Where the upstream is asked for that URL.
fn target(url: &str, port: Option<u16>) -> Result<reqwest::Url, Failure> {
    let mut url = reqwest::Url::parse(url)?;
    if port.is_some() {
        url.set_port(port).map_err(|_| "no port in that URL")?;
    }
    Ok(url)
}

async fn finish(response: Response, http2: bool) -> Result<(), Failure> {
    let mut response = response;
    if (response.version() == Version::HTTP_2) != http2 {
        return Err(format!("over {:?}", response.version()).into());
    }
    while response.chunk().await?.is_some() {}
    Ok(())
}

async fn call(client: Client, id: String, exchange: Value, http2: bool, port: Option<u16>) -> Result<(), Failure> {
    let request = &exchange["request"];
    let key = env::var("LT_KEY").unwrap_or_default();
    let want = env::var("LT_WANT").unwrap_or_default();
    let options = env::var("LT_OPTIONS").unwrap_or_default();
    let which = if options.is_empty() { id } else { format!("{id}; {options}") };
    let mut out = client
        .request(Method::from_bytes(text(request, "method")?.as_bytes())?, target(text(request, "url")?, port)?)
        .header("x-lt-exchange", which)
        .header("x-lt-want", format!("{want}; pid={}", process::id()))
        .body(request["body"].to_string());
    // What the transport says itself is left out.
    let dropped = ["host", "accept-encoding", "content-length", "connection", "transfer-encoding"];
    for header in request["headers"].as_array().into_iter().flatten() {
        let name = header[0].as_str().unwrap_or_default();
        if !name.starts_with(':') && !dropped.contains(&name.to_ascii_lowercase().as_str()) {
            out = out.header(name, header[1].as_str().unwrap_or_default().replace("REDACTED", &key));
        }
    }
    finish(out.send().await?, http2).await
}

/// A connection that is there, and idle, before anybody looks.
async fn connect_and_wait(client: &Client, exchange: &Value, file: &str, options: &Options) -> Result<(), Failure> {
    let mut url = target(text(&exchange["request"], "url")?, options.port)?;
    url.set_path("/nothing");
    url.set_query(None);
    finish(client.get(url).send().await?, options.http2).await?;
    println!("ready");
    while !Path::new(file).exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn run(options: Options) -> Result<(), Failure> {
    let [folder, how, times, names @ ..] = &options.words[..] else { return Err("too few words".into()) };
    let client = Client::builder().build()?;
    let mut exchanges = Vec::new();
    for name in names {
        exchanges.push((name, serde_json::from_slice::<Value>(&fs::read(Path::new(folder).join(format!("{name}.json")))?)?));
    }
    if let Some(file) = &options.wait {
        connect_and_wait(&client, &exchanges[0].1, file, &options).await?;
    }
    let mut tasks = Vec::new();
    for _ in 0..times.parse()? {
        for (name, exchange) in &exchanges {
            let work = call(client.clone(), name.to_string(), exchange.clone(), options.http2, options.port);
            let task = tokio::spawn(work);
            if how == "in-turn" {
                task.await??;
            } else {
                tasks.push(task);
            }
        }
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

fn main() {
    let done = parse().and_then(|options| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .enable_all()
            .build()?
            .block_on(run(options))
    });
    if let Err(failure) = done {
        eprintln!("{failure:?}");
        process::exit(1);
    }
}
