//! Measures uploads and downloads: a large file compared with the machine's own tools and with a bare route, the memory
//! growth of the server meanwhile, and many small files.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::{StreamExt, future::try_join_all, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    bare::FILE_PATH,
    people::{SignedInOwner, register},
    report::{Bar, Figure},
    server::Server,
};

/// Options of a run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FilesOptions {
    /// The server's program
    #[arg(long)]
    tenantry: PathBuf,
    /// Folder of the files; needs room for four of them
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// Number of rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Size of the large file in MiB
    #[arg(long, default_value_t = 1024)]
    mebibytes: usize,
    /// Seconds per measurement of small files
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Also write the table between the markers of this document
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
}

/// Number of connections for small files.
const CONNECTIONS: usize = 4;
const SMALL_BYTES: usize = 1 << 20;
const MIB: f64 = (1 << 20) as f64;
const PIECE_BYTES: usize = 256 << 10;
const BOUNDARY: &str = "a-boundary-that-no-file-has";
const HEAD: &str = "--a-boundary-that-no-file-has\r\nContent-Disposition: form-data; name=\"file\"; filename=\"large.png\"\r\nContent-Type: image/png\r\n\r\n";
const TAIL: &str = "\r\n--a-boundary-that-no-file-has--\r\n";

impl FilesOptions {
    /// Describes the conditions of the run in a sentence.
    pub(crate) fn circumstances(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = loads.split(' ').next().unwrap_or_default();
        let Self { rounds, mebibytes, seconds, .. } = self;
        format!(
            "{cores} cores, {rounds} rounds, {mebibytes} MiB, small files for {seconds} s; load average before: {load}."
        )
    }

    /// Measures everything and reports progress on stderr.
    pub(crate) async fn figures(&self) -> Result<Vec<Figure>> {
        let folder = TempDir::with_prefix_in("tenantry-bench-", &self.folder)?;
        let large = folder.path().join("large.png");
        make_image(&large, self.mebibytes << 20)?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        let settings = [("MAX_FILE_SIZE", "8GiB"), ("STORAGE_PLANS_STARTER", "1TiB"), ("RATE_LIMITS", "off")];
        let server = Server::tenantry(&self.tenantry, &data, &settings)?;
        let bare = Server::bare_file(&large)?;
        let owner = register(server.address, "owner", 1).await?.remove(0);

        let figure = |what, unit, bar| Figure::new(what, "SQLite, disk", unit, bar);
        let mut upload =
            figure("upload of a large file", "MiB/s", Bar::RatioAtLeast(0.6)).beside("cp, sync and sha256sum");
        let mut download =
            figure("download of a large file", "MiB/s", Bar::RatioAtLeast(0.9)).beside("bare actix-files");
        let mut grown = figure("memory that it grows by meanwhile", "MB", Bar::Under(32.0));
        let mut uploads = figure("uploads of 1 MiB, 4 connections", "MiB/s", Bar::Over(109.0));
        let mut downloads = figure("downloads of 1 MiB, 4 connections", "MiB/s", Bar::Over(225.0));
        let small = small_image();
        for round in 0..self.rounds {
            eprintln!("==> files, round {} of {}", round + 1, self.rounds);
            let size = self.mebibytes as f64;
            let before = server.memory()?;
            let (file, ours, peak) = while_watching(&server, self.upload(&server, &owner, &large)).await?;
            let alone = by_the_machine(&large, &folder.path().join("copy.png"))?;
            upload.add(size / ours.as_secs_f64(), Some(size / alone.as_secs_f64()));
            let path = format!("/api/v1/files/{file}/download");
            let (_, ours, peak_again) = while_watching(&server, fetch(server.address, &path, Some(&owner))).await?;
            let began = Instant::now();
            fetch(bare.address, FILE_PATH, None).await?;
            download.add(size / ours.as_secs_f64(), Some(size / began.elapsed().as_secs_f64()));
            grown.add(peak.max(peak_again).saturating_sub(before) as f64 / 1e6, None);
            delete(server.address, &owner, &file).await?;

            uploads.add(self.many(|| upload_small(&server, &owner, &small)).await?, None);
            let file = upload_small(&server, &owner, &small).await?;
            let path = format!("/api/v1/files/{file}/download");
            downloads.add(self.many(|| fetch(server.address, &path, Some(&owner))).await?, None);
        }
        Ok(vec![upload, download, grown, uploads, downloads])
    }

    async fn upload(&self, server: &Server, owner: &SignedInOwner, file: &Path) -> Result<String> {
        let bytes = fs::metadata(file)?.len();
        let file = fs::File::open(file)?;
        let pieces = stream::try_unfold(file, |mut file| async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                std::io::Read::read_to_end(&mut std::io::Read::take(&mut file, PIECE_BYTES as u64), &mut piece)?;
                std::io::Result::Ok((piece, file))
            });
            let (piece, file) = read.await.map_err(std::io::Error::other)??;
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
        });
        send_upload(server.address, owner, bytes, pieces).await
    }

    /// Returns MiB per second of small files over all connections.
    async fn many<T, F: Future<Output = Result<T>>>(&self, one: impl Fn() -> F) -> Result<f64> {
        let (began, done) = (Instant::now(), AtomicU64::new(0));
        let until = began + Duration::from_secs(self.seconds);
        try_join_all((0..CONNECTIONS).map(async |_| {
            while Instant::now() < until {
                one().await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        }))
        .await?;
        Ok(done.into_inner() as f64 * (SMALL_BYTES as f64 / MIB) / began.elapsed().as_secs_f64())
    }
}

/// Runs the work and returns its duration and the server's peak memory meanwhile.
async fn while_watching<T>(server: &Server, work: impl Future<Output = Result<T>>) -> Result<(T, Duration, u64)> {
    let (began, over) = (Instant::now(), AtomicBool::new(false));
    let watch = async {
        let mut most = server.memory()?;
        while !over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
            most = most.max(server.memory()?);
        }
        anyhow::Ok(most)
    };
    let work = async {
        let done = work.await;
        over.store(true, Ordering::Relaxed);
        anyhow::Ok((done?, began.elapsed()))
    };
    let (most, (done, took)) = tokio::try_join!(watch, work)?;
    Ok((done, took, most))
}

/// Returns the time that the machine's own tools need to copy, sync and hash the file.
fn by_the_machine(file: &Path, copy: &Path) -> Result<Duration> {
    let began = Instant::now();
    for command in [Command::new("cp").arg(file).arg(copy), Command::new("sync").arg("-f").arg(copy)] {
        ensure!(command.status()?.success(), "{} failed", command.get_program().display());
    }
    ensure!(Command::new("sha256sum").arg(copy).output()?.status.success(), "sha256sum failed");
    let took = began.elapsed();
    fs::remove_file(copy)?;
    Ok(took)
}

/// Creates a file whose first bytes are those of an image.
fn make_image(file: &Path, bytes: usize) -> Result<()> {
    let mut file = fs::File::create(file)?;
    let mut piece: Vec<u8> = (0..PIECE_BYTES).map(|place| (place * 31 % 251) as u8).collect();
    for number in 0..bytes / PIECE_BYTES {
        piece[..8].copy_from_slice(&(number as u64).to_le_bytes());
        if number == 0 {
            piece[..16].copy_from_slice(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
        }
        file.write_all(&piece)?;
    }
    Ok(file.sync_all()?)
}

fn small_image() -> Bytes {
    let mut image: Vec<u8> = (0..SMALL_BYTES).map(|place| (place * 31 % 251) as u8).collect();
    image[..16].copy_from_slice(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    image.into()
}

async fn upload_small(server: &Server, owner: &SignedInOwner, image: &Bytes) -> Result<String> {
    let pieces = stream::iter([std::io::Result::Ok(image.clone())]);
    send_upload(server.address, owner, image.len() as u64, pieces).await
}

async fn send_upload(
    address: SocketAddr,
    owner: &SignedInOwner,
    bytes: u64,
    pieces: impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> Result<String> {
    let part = |text: &'static str| stream::iter([std::io::Result::Ok(Bytes::from_static(text.as_bytes()))]);
    let body = part(HEAD).chain(pieces).chain(part(TAIL)).map(|piece| piece.map(Frame::data));
    let length = bytes + (HEAD.len() + TAIL.len()) as u64;
    let request = Request::post("/api/v1/files/upload")
        .header("host", address.to_string())
        .header("authorization", format!("Bearer {}", owner.access_token))
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .header("content-length", length)
        .body(BodyExt::boxed_unsync(StreamBody::new(body)))?;
    let answer = open(address).await?.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    ensure!(status == 201, "an upload was answered {status}: {}", String::from_utf8_lossy(&body));
    let body: serde_json::Value = serde_json::from_slice(&body)?;
    Ok(body["data"]["id"].as_str().context("an upload has an id")?.to_owned())
}

async fn delete(address: SocketAddr, owner: &SignedInOwner, file: &str) -> Result<()> {
    let request = Request::delete(format!("/api/v1/files/{file}"))
        .header("host", address.to_string())
        .header("authorization", format!("Bearer {}", owner.access_token))
        .body(empty())?;
    let answer = open(address).await?.send_request(request).await?;
    ensure!(answer.status() == 204, "a deletion was answered {}", answer.status());
    Ok(())
}

/// Reads a response to its end and returns its number of bytes.
async fn fetch(address: SocketAddr, path: &str, owner: Option<&SignedInOwner>) -> Result<u64> {
    let mut request = Request::get(path).header("host", address.to_string());
    if let Some(owner) = owner {
        request = request.header("authorization", format!("Bearer {}", owner.access_token));
    }
    let answer: Response<Incoming> = open(address).await?.send_request(request.body(empty())?).await?;
    ensure!(answer.status() == 200, "{path} was answered {}", answer.status());
    let (mut body, mut bytes) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, Bytes::len) as u64;
    }
    Ok(bytes)
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

fn empty() -> Body {
    http_body_util::Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}

async fn open(address: SocketAddr) -> Result<SendRequest<Body>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
