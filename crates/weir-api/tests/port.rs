//! On a real port: bounds on connections and patience, and an end.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use weir_api::ApiSettings;
use weir_api::server::{bind, serve};

struct Port {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    _world: World,
}

async fn open(connections_max: usize) -> Port {
    let settings = ApiSettings {
        connections_max,
        ..common::settings()
    };
    let world = World::new();
    let listener = bind(&settings).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let handle = world.handle.clone();
    let serving = tokio::spawn(async move {
        serve(listener, handle, &settings, async {
            let _ = stopped.await;
        })
        .await;
    });
    Port {
        addr,
        stop,
        serving,
        _world: world,
    }
}

const ASK: &[u8] = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The beginning of the answer, or nothing within a while.
async fn answer(stream: &mut TcpStream) -> Option<String> {
    let mut buffer = [0; 4096];
    let n = timeout(Duration::from_millis(500), stream.read(&mut buffer)).await;
    let n = n.ok()?.unwrap();
    Some(String::from_utf8_lossy(&buffer[..n]).into_owned())
}

#[tokio::test]
async fn beyond_the_bound_a_connection_waits_until_one_ends() {
    let port = open(1).await;
    let mut first = TcpStream::connect(port.addr).await.unwrap();
    first.write_all(ASK).await.unwrap();
    assert!(
        answer(&mut first)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    let mut second = TcpStream::connect(port.addr).await.unwrap();
    second.write_all(ASK).await.unwrap();
    assert_eq!(answer(&mut second).await, None);
    drop(first);
    assert!(
        answer(&mut second)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn nonsense_is_refused_and_the_next_client_served() {
    let port = open(8).await;
    let long = vec![b'x'; 200_000];
    for nonsense in [&b"\0\0\0\x08\x04\xd2\x16\x2f"[..], b"GET\r\n\r\n", &long] {
        let mut stream = TcpStream::connect(port.addr).await.unwrap();
        let _ = stream.write_all(nonsense).await;
        let _ = stream.shutdown().await;
        let mut all = Vec::new();
        let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut all)).await;
        assert!(read.is_ok(), "the connection stayed open");
    }
    let mut stream = TcpStream::connect(port.addr).await.unwrap();
    stream.write_all(ASK).await.unwrap();
    assert!(
        answer(&mut stream)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn it_ends_when_asked_even_with_a_listener_attached() {
    let port = open(8).await;
    let mut listener = TcpStream::connect(port.addr).await.unwrap();
    let ask = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    listener.write_all(ask).await.unwrap();
    assert!(
        answer(&mut listener)
            .await
            .unwrap()
            .contains("text/event-stream")
    );
    port.stop.send(()).unwrap();
    timeout(Duration::from_secs(5), port.serving)
        .await
        .unwrap()
        .unwrap();
    let gone = TcpStream::connect(port.addr).await;
    assert!(gone.is_err(), "the port is still open");
}
