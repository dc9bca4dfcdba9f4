//! How many clients and servers there may be, per database and user, live.

use super::{Bouncer, order, refused_login};
use crate::support::{one, try_one};

#[tokio::test]
async fn clients_are_limited_in_all_per_database_and_per_user() {
    let bouncer = Bouncer::start(
        "p0 = PG dbname=postgres\np1 = PG dbname=postgres max_db_client_connections=1",
        "max_client_conn = 20\nmax_user_client_connections = 2",
    );
    let admin = bouncer.admin().await;
    let first = bouncer.client("p1", "ann").await;
    let refused = refused_login(&bouncer, "p1", "bob").await;
    assert!(refused.contains("max_db_client_connections"), "{refused}");
    let _second = bouncer.client("p0", "ann").await;
    let refused = refused_login(&bouncer, "p0", "ann").await;
    assert!(refused.contains("max_user_client_connections"), "{refused}");
    order(&admin, "SET max_client_conn = 3").await;
    let refused = refused_login(&bouncer, "p0", "bob").await;
    assert!(refused.contains("max_client_conn"), "{refused}");
    order(&admin, "SET max_client_conn = 20").await;
    one(&bouncer.client("p0", "bob").await, "select 1").await;
    one(&first, "select 1").await;
}

#[tokio::test]
async fn a_pool_size_set_live_binds_the_next_servers() {
    let bouncer = Bouncer::start(
        "p0 = PG dbname=postgres",
        "pool_mode = transaction\ndefault_pool_size = 1\nquery_wait_timeout = 1",
    );
    let admin = bouncer.admin().await;
    let (a, b) = (
        bouncer.client("p0", "ann").await,
        bouncer.client("p0", "ann").await,
    );
    order(&a, "begin").await;
    let fault = try_one(&b, "select 1").await.unwrap_err();
    let says = crate::support::told(&fault);
    assert!(says.contains("query_wait_timeout"), "{says}");
    bouncer.until_logs("closing because: query_wait_timeout");
    order(&admin, "SET default_pool_size = 2").await;
    let b = bouncer.client("p0", "ann").await;
    one(&b, "select 1").await;
    order(&a, "commit").await;
}
