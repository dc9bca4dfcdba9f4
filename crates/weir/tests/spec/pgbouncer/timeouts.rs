//! Times, set live, with the words of the log.

use super::{Bouncer, order};
use crate::support::{SOON, one, try_one, until_async};

#[tokio::test]
async fn each_timeout_closes_with_its_name_in_the_log() {
    let bouncer = Bouncer::start("p0 = PG dbname=postgres", "pool_mode = transaction");
    let admin = bouncer.admin().await;

    order(&admin, "SET query_timeout = 1").await;
    let client = bouncer.client("p0", "ann").await;
    assert!(try_one(&client, "select pg_sleep(30)").await.is_err());
    bouncer.until_logs("closing because: query timeout (age=");
    order(&admin, "SET query_timeout = 0").await;

    order(&admin, "SET idle_transaction_timeout = 1").await;
    let client = bouncer.client("p0", "ann").await;
    order(&client, "begin").await;
    bouncer.until_logs("closing because: idle transaction timeout (age=");
    assert!(try_one(&client, "select 1").await.is_err());
    order(&admin, "SET idle_transaction_timeout = 0").await;

    order(&admin, "SET transaction_timeout = 1").await;
    let client = bouncer.client("p0", "ann").await;
    order(&client, "begin").await;
    assert!(try_one(&client, "select pg_sleep(30)").await.is_err());
    bouncer.until_logs("closing because: transaction timeout (age=");
    order(&admin, "SET transaction_timeout = 0").await;

    order(&admin, "SET client_idle_timeout = 1").await;
    let client = bouncer.client("p0", "ann").await;
    one(&client, "select 1").await;
    bouncer.until_logs("closing because: client_idle_timeout (age=");
}

#[tokio::test]
async fn servers_grow_old_and_are_replaced() {
    let bouncer = Bouncer::start(
        "p0 = PG dbname=postgres",
        "pool_mode = transaction\nserver_lifetime = 1",
    );
    let client = bouncer.client("p0", "ann").await;
    let first = one(&client, "select pg_backend_pid()").await;
    until_async("another server", SOON, async || {
        (one(&client, "select pg_backend_pid()").await != first).then_some(())
    })
    .await;
    bouncer.until_logs("closing because: server lifetime over (age=");
}
