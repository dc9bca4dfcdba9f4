//! The shop: its data, and what a page of the dashboard asks.
//!
//! The data are made from the row numbers, without dice, so that every run has the same plans.

use tokio_postgres::Client;

use super::DemoError;

/// How many users the shop knows.
pub(crate) const USERS: usize = 2_000;
/// Rows that every page counts a view on, in the replay of row locks.
pub(crate) const HOT_ROWS: usize = 8;
/// The database that the dashboard asks for.
pub(crate) const DATABASE: &str = "shop";
/// The dashboard's user.
pub(crate) const USER: &str = "dashboard";
/// Weir's own user, for its sampling connection.
pub(crate) const MONITOR: &str = "weir_monitor";

/// What each query of a page sleeps in the server, standing for the disk (see the module above).
/// With three queries and the round trips a page holds its server for about 45 ms.
const IO_S: &str = "0.013";

const ROLES: &str = "
CREATE ROLE weir_monitor LOGIN;
GRANT pg_monitor TO weir_monitor;
CREATE ROLE dashboard LOGIN;
CREATE ROLE nightly_batch LOGIN;
CREATE ROLE migration LOGIN SUPERUSER;
CREATE ROLE reporting LOGIN;
";

/// Rows of `order_items`, usually.
pub(crate) const ITEMS: u32 = 160_000;
/// Rows of `order_items` where reading the whole table has to hurt: about fifty pages a second
/// should still get through, on the processors that this machine has. Reading ten million rows
/// takes one of them about a second; a pool of ten can't use more than ten.
pub(crate) fn items_that_hurt() -> u32 {
    let cores = std::thread::available_parallelism().map_or(2, |n| n.get().min(7));
    220_000 * cores.max(2) as u32
}

/// About a second on a slow machine.
const DATA: &str = "
CREATE TABLE users (
    id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, tier text NOT NULL);
INSERT INTO users
    SELECT u, 'user ' || u, 'user' || u || '@shop.example', (ARRAY['free','plus','pro'])[1 + u % 3]
    FROM generate_series(1, 2000) u;

CREATE TABLE products (
    id int PRIMARY KEY, name text NOT NULL, category int NOT NULL, price numeric NOT NULL,
    rating real NOT NULL);
INSERT INTO products
    SELECT p, 'product ' || p, p % 50, 1 + p % 97, (p * 7919 % 500) / 100.0
    FROM generate_series(1, 3000) p;
CREATE INDEX products_category ON products (category, rating DESC);

CREATE TABLE orders (
    id int PRIMARY KEY, user_id int NOT NULL REFERENCES users, placed_at timestamptz NOT NULL,
    status text NOT NULL);
INSERT INTO orders
    SELECT o, 1 + o % 2000, timestamptz '2026-01-01' + o * interval '7 minutes',
           (ARRAY['sent','paid','open'])[1 + o % 3]
    FROM generate_series(1, 40000) o;
CREATE INDEX orders_user ON orders (user_id);

CREATE TABLE order_items (
    order_id int NOT NULL, product_id int NOT NULL, quantity int NOT NULL, price numeric NOT NULL);
INSERT INTO order_items
    SELECT 1 + i % 40000, 1 + i * 31 % 3000, 1 + i % 4, 1 + i % 97
    FROM generate_series(1, @ITEMS@) i;
CREATE INDEX order_items_order ON order_items (order_id);

CREATE TABLE page_views (id int PRIMARY KEY, views bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO page_views SELECT v, 0 FROM generate_series(0, 7) v;

GRANT SELECT ON users, products, orders, order_items TO dashboard, nightly_batch, reporting;
GRANT SELECT, UPDATE ON page_views TO dashboard, nightly_batch;
";

/// Makes roles, database, extension and data. `admin` is a superuser's session with `postgres`;
/// `open` opens one with the shop.
pub(crate) async fn load<F, Fut>(admin: &Client, items: u32, open: F) -> Result<(), DemoError>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<Client, DemoError>>,
{
    let doing = |doing| move |source| DemoError::Sql { doing, source };
    admin
        .batch_execute(ROLES)
        .await
        .map_err(doing("creating roles"))?;
    admin
        .batch_execute("CREATE DATABASE shop")
        .await
        .map_err(doing("creating the database"))?;
    let shop = open().await?;
    shop.batch_execute(&DATA.replace("@ITEMS@", &items.to_string()))
        .await
        .map_err(doing("loading the shop"))?;
    shop.batch_execute("VACUUM ANALYZE")
        .await
        .map_err(doing("VACUUM ANALYZE"))?;
    // Absent from some builds of PostgreSQL; Weir manages without.
    for database in [&shop, admin] {
        let _ = database
            .batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            .await;
    }
    Ok(())
}

/// The comment that tells Weir whom a query is for (sqlcommenter's form).
fn comment(user: usize) -> String {
    format!("/*user_id='{user}',route='dashboard'*/")
}

/// Query one of a page: who is it?
pub(crate) fn profile(user: usize) -> String {
    format!(
        "SELECT u.name, u.email, u.tier FROM users u, pg_sleep({IO_S}) WHERE u.id = {user} {}",
        comment(user)
    )
}

/// Query two: the latest orders with their sums.
pub(crate) fn latest_orders(user: usize) -> String {
    format!(
        "SELECT o.id, o.placed_at, o.status, sum(i.quantity * i.price) \
         FROM pg_sleep({IO_S}), orders o JOIN order_items i ON i.order_id = o.id \
         WHERE o.user_id = {user} GROUP BY o.id ORDER BY o.placed_at DESC LIMIT 10 {}",
        comment(user)
    )
}

/// Query three: what else could please.
pub(crate) fn recommended(user: usize) -> String {
    format!(
        "SELECT p.id, p.name, p.price FROM products p, pg_sleep({IO_S}) \
         WHERE p.category = {} ORDER BY p.rating DESC LIMIT 8 {}",
        user % 50,
        comment(user)
    )
}

/// In the replay of row locks: a counter that all pages share.
pub(crate) fn count_view(user: usize) -> String {
    format!(
        "UPDATE page_views SET views = views + 1 WHERE id = {} {}",
        user % HOT_ROWS,
        comment(user)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_of_a_page_says_whom_it_is_for() {
        for query in [
            profile(42),
            latest_orders(42),
            recommended(42),
            count_view(42),
        ] {
            assert!(
                query.ends_with("/*user_id='42',route='dashboard'*/"),
                "{query}"
            );
        }
    }
}
