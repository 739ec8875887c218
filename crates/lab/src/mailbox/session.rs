//! SMTP, as far as a mail server on this machine needs it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::letter::Letter;

/// The longest line of a letter that is read, in bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// One connection.
pub struct Session {
    pub kept: Arc<watch::Sender<Vec<Letter>>>,
    pub refusals: Arc<Mutex<VecDeque<u16>>>,
}

impl Session {
    pub async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut to = String::new();
        reply(&mut stream, "220 mailbox").await?;
        while let Some(line) = read_line(&mut stream).await? {
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let answer = match verb.as_str() {
                "EHLO" => "250-mailbox\r\n250-8BITMIME\r\n250 SMTPUTF8",
                "RCPT" => {
                    let address = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
                    to = address.map(|(address, _)| address.to_owned()).unwrap_or_default();
                    "250 OK"
                }
                "DATA" => {
                    reply(&mut stream, "354 go on").await?;
                    let text = read_data(&mut stream).await?;
                    let next = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
                    let refusal = { next }.pop_front();
                    if let Some(code) = refusal {
                        reply(&mut stream, &format!("{code} refused, as asked")).await?;
                        continue;
                    }
                    self.kept.send_modify(|all| all.push(Letter::read(&to, &text)));
                    "250 kept"
                }
                "QUIT" => {
                    reply(&mut stream, "221 bye").await?;
                    return Ok(());
                }
                "HELO" | "MAIL" | "RSET" | "NOOP" => "250 OK",
                _ => "502 not here",
            };
            reply(&mut stream, answer).await?;
        }
        Ok(())
    }
}

async fn reply(stream: &mut BufReader<TcpStream>, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await?;
    stream.flush().await
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    if line.is_empty() || line.len() > LINE_BYTES_MAX {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
}

/// The text of a letter, up to the line that has only a dot.
async fn read_data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut text = String::new();
    while let Some(line) = read_line(stream).await?.filter(|line| line != ".") {
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
    }
    Ok(text)
}
