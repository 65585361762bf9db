//! A client that costs little, since it shares the machine with what it measures: one connection, requests made in
//! advance, answers read by their Content-Length.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Outcome;

/// Whom requests go to, and the key that they carry.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: String,
    pub key: String,
}

impl Target {
    pub fn get(&self, path: &str) -> Vec<u8> {
        self.request("GET", path, "", "")
    }

    /// The request of a client that has the body of this ETag.
    pub fn get_unless(&self, path: &str, etag: &str) -> Vec<u8> {
        self.request("GET", path, &format!("if-none-match: {etag}\r\n"), "")
    }

    pub fn post(&self, path: &str, media_type: &str, body: &str) -> Vec<u8> {
        let headers = format!("content-type: {media_type}\r\ncontent-length: {}\r\n", body.len());
        self.request("POST", path, &headers, body)
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
        let Target { address, key } = self;
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n{headers}\r\n{body}")
            .into_bytes()
    }
}

pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, as long as the connection is not used again.
pub struct Answer<'a> {
    pub status: u16,
    head: &'a str,
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    pub fn etag(&self) -> Option<&'a str> {
        header(self.head, "etag")
    }

    /// The answer itself if it has one of these statuses, else what it says as an error.
    pub fn of_status(self, statuses: &[u16]) -> Outcome<Answer<'a>> {
        if statuses.contains(&self.status) {
            Ok(self)
        } else {
            Err(format!("{}: {}", self.status, String::from_utf8_lossy(self.body)).into())
        }
    }
}

impl Client {
    pub async fn connect(address: &str) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and waits for its answer.
    pub async fn send(&mut self, request: &[u8]) -> std::io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let end_of_head = loop {
            self.read_more().await?;
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
        };
        let (status, length) = extent(head(&self.buffer, end_of_head)?)?;
        let body = end_of_head + 4;
        while self.buffer.len() < body + length {
            self.read_more().await?;
        }
        Ok(Answer { status, head: head(&self.buffer, end_of_head)?, body: &self.buffer[body..body + length] })
    }

    async fn read_more(&mut self) -> std::io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn head(buffer: &[u8], end: usize) -> std::io::Result<&str> {
    std::str::from_utf8(&buffer[..end]).map_err(|_| malformed("a head that is not UTF-8"))
}

/// The status of an answer and the length of its body.
fn extent(head: &str) -> std::io::Result<(u16, usize)> {
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| malformed("no status"))?;
    // These have no body, whatever their Content-Length says.
    if matches!(status, 204 | 304) {
        return Ok((status, 0));
    }
    let length = header(head, "content-length").and_then(|length| length.parse().ok());
    Ok((status, length.ok_or_else(|| malformed("no Content-Length"))?))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
