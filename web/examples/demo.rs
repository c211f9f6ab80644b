//! The pages over a made-up site, to look at: `cargo run -p ravenry-web --example demo -- [PORT] [MORE-HOSTS]`.

#![expect(
    clippy::unwrap_used,
    reason = "the made-up site has no name that is wrong"
)]

use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::clock;
use ravenry_web::access::{Access, Door, Key};
use ravenry_web::{Options, router};

#[path = "../tests/router/fake.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod fake;

fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse::<u16>().ok());
    let port = numbers.next().unwrap_or(4960);
    let more = numbers.next().unwrap_or(0);
    let door = Door::local(([127, 0, 0, 1], port).into());
    let (access, _ends) = Access::new(door, Duration::from_secs(3600), Key::derive("demo"));
    let router = router(
        Arc::new(fake::Fake::at(usize::from(more), clock::now)),
        Options::default(),
        Arc::new(access),
    );
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        println!("http://{}", listener.local_addr()?);
        axum::serve(listener, router).await
    })
}
